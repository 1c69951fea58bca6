// Pictures that are given to the page: chosen, taken with the camera, pasted or dropped.

const $ = (id) => document.getElementById(id);

/**
 * Listens for pictures.
 * @param {object} given
 * @param {() => boolean} given.ready Whether what is given can be a query now.
 * @param {(picture: File) => void} given.search Is given one picture as a query.
 * @param {(transfer: DataTransfer) => void} given.drop Is given what was dropped, if it is not one picture.
 * @param {() => void} given.take Takes a picture.
 */
export function listenForPictures({ ready, search, drop, take }) {
  $("take").addEventListener("click", take);
  $("choose").addEventListener("click", () => $("file").click());
  for (const input of ["file", "camera"]) {
    $(input).addEventListener("change", () => {
      if ($(input).files[0]) search($(input).files[0]);
      $(input).value = "";
    });
  }

  addEventListener("paste", (event) => {
    const picture = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/"));
    if (!picture) return;
    event.preventDefault();
    search(picture);
  });

  // A drag crosses many elements, and each fires its own enter and leave events.
  let depth = 0;
  const dragsFile = (event) => ready() && event.dataTransfer?.types.includes("Files");
  const showDrop = (change) => {
    depth = change === 0 ? 0 : depth + change;
    $("drop").hidden = depth <= 0;
  };
  addEventListener("dragenter", (event) => dragsFile(event) && showDrop(1));
  addEventListener("dragleave", (event) => dragsFile(event) && showDrop(-1));
  addEventListener("dragover", (event) => dragsFile(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!dragsFile(event)) return;
    event.preventDefault();
    showDrop(0);
    if (isOnePicture(event.dataTransfer)) search(event.dataTransfer.files[0]);
    else drop(event.dataTransfer);
  });
}

function isOnePicture({ files, items }) {
  return files.length === 1 && !files[0].name.endsWith(".overlay") && !items[0]?.webkitGetAsEntry?.()?.isDirectory;
}
