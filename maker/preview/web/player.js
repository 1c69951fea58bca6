// Plays videos and sounds in a dialog, from the moment that an item names.

const PART = /^([^]+)#t=(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/; // as in `task/format/moment.py`

const $ = (id) => document.getElementById(id);

/**
 * The part of a file that a name says: `trip.mp4#t=12,15` is the time from 12 to 15 seconds (W3C Media Fragments).
 * @param {string} name The name of a part or of a whole file.
 * @returns {{file: string, start?: number, end?: number, title: string}} Its path, seconds, and what people call it: `0:12-0:15 of trip.mp4`.
 */
export function momentOf(name) {
  const [, file, start, end] = PART.exec(name) ?? [];
  const short = (path) => path.split("/").at(-1);
  if (!file || Number(start) > Number(end)) return { file: name, title: short(name) };
  return { file, start: Number(start), end: Number(end), title: `${clock(start)}-${clock(end)} of ${short(file)}` };
}

/** Seconds as people write them: `1:04`, `1:00:02.5`. */
function clock(value) {
  const tenths = Math.round(10 * value);
  const [hours, minutes, rest] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const seconds = `${rest < 10 ? "0" : ""}${rest}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/**
 * What the page can play of an item.
 * @param {?string} name The path that the item names.
 * @param {{media: ?{folder: string, element: string, suffixes: string[]}}} site
 * @returns {?{title: string, address: string, element: string}} None if the site has no such file.
 */
export function playable(name, { media }) {
  if (!name || !media) return null;
  const { file, start, end, title } = momentOf(name);
  if (!media.suffixes.some((suffix) => file.endsWith(suffix))) return null;
  const path = file.split("/").map(encodeURIComponent).join("/");
  return { title, address: `${media.folder}/${path}${start === undefined ? "" : `#t=${start},${end}`}`, element: media.element };
}

/** Opens the player; the browser starts at the moment and pauses at its end. */
export function openPlayer({ title, address, element }) {
  const player = document.createElement(element);
  player.controls = player.autoplay = true;
  player.setAttribute("aria-label", title);
  const fail = () => tell(`“${title}” cannot be played: this browser does not know its format, or the file did not arrive.`);
  player.addEventListener("error", fail);
  player.addEventListener("loadedmetadata", () => {
    if (element === "video" && !player.videoWidth) tell(`“${title}” has no picture that this browser can show; it may not know the format.`);
  });
  player.src = address;
  $("player-title").textContent = title;
  $("player-trouble").hidden = true;
  $("player-media").replaceChildren(player);
  $("player").showModal();
  player.focus();
}

function tell(text) {
  $("player-trouble").textContent = text;
  $("player-trouble").hidden = false;
}

$("player-close").addEventListener("click", () => $("player").close());
$("player").addEventListener("close", () => {
  const player = $("player-media").firstElementChild;
  player?.removeAttribute("src");
  player?.load(); // stops the download, too
  $("player-media").replaceChildren();
});
