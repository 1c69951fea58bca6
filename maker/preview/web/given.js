// Pictures that are given to the page: chosen, taken with the camera, pasted or dropped.

const $ = (id) => document.getElementById(id);

/**
 * Listens for pictures.
 * @param {() => boolean} ready Whether pictures can be queries now.
 * @param {(picture: File) => void} search Is given one picture as a query.
 * @param {(transfer: DataTransfer) => void} drop Is given what was dropped, if it is not one picture.
 */
export function listenForPictures(ready, search, drop) {
  for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
    $(button).addEventListener("click", () => $(input).click());
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
