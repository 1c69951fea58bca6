// The photos in what somebody chose or dropped: files, folders, or the entries of a drag.

const PICTURES = /\.(jpe?g|jpe|jfif|png|webp|gif|avif|bmp|heic|heif|tiff?|jxl)$/i;

/** Whether a file is called like a picture. */
export const isPicture = (path) => PICTURES.test(path);

/**
 * The files of a list, such as that of an `<input type=file webkitdirectory>`.
 * @param {Iterable<File>} files
 * @returns {{path: string, read: () => Promise<File>}[]}
 */
export const filesOf = (files) => [...files].map((file) => ({ path: file.webkitRelativePath || file.name, read: async () => file }));

/**
 * The files in a folder and below.
 * @param {FileSystemDirectoryHandle} folder
 * @param {(count: number) => void} found Is told how many files were found so far.
 * @returns {Promise<{path: string, read: () => Promise<File>}[]>} In no particular order.
 */
export async function filesIn(folder, found = () => {}) {
  const files = [];
  const walk = async (directory, path) => {
    for await (const entry of directory.values()) {
      const at = `${path}/${entry.name}`;
      if (entry.kind === "directory") await walk(entry, at);
      else files.push({ path: at, read: () => entry.getFile() });
    }
    found(files.length);
  };
  await walk(folder, folder.name);
  return files;
}

/**
 * What was dropped: files, and folders with all that is below.
 * @param {DataTransfer} transfer Of the event, before the first `await` in its listener.
 * @returns {Promise<{path: string, read: () => Promise<File>}[]>}
 */
export async function filesDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return filesOf(transfer.files);
  const files = [];
  for (const entry of entries) await walkEntry(entry, files);
  return files;
}

async function walkEntry(entry, files) {
  if (entry.isFile) {
    files.push({ path: entry.fullPath.replace(/^\//, ""), read: () => new Promise((resolve, reject) => entry.file(resolve, reject)) });
    return;
  }
  const reader = entry.createReader();
  // A reader gives a part of the entries at a time, and none at the end.
  for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) {
    for (const child of some) await walkEntry(child, files);
  }
}

/** Why a file could not be read as a picture, for users. */
export async function reasonOf(file) {
  if (file.size === 0) return "the file is empty";
  const head = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
  const letters = String.fromCharCode(...head.subarray(0, 16));
  if (/^....ftyp(hei|hev|mif1|msf1)/s.test(letters)) return "it is HEIC, which this browser cannot decode";
  if (/^(II\*\0|MM\0\*)/.test(letters)) return "it is TIFF, which this browser cannot decode";
  if (/^(\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|BM|....ftypavi)/s.test(letters)) return "the picture is damaged or incomplete";
  const text = head.every((byte) => byte >= 9 && byte !== 127);
  return text ? "it is a text, not a picture" : "it is not a picture, or of a kind that this browser cannot decode";
}
