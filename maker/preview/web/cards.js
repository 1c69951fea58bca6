// The cards of items: name and thumbnail.

import { momentOf, openPlayer, playable } from "./player.js";

const NAME_KEYS = ["title", "name", "caption"]; // of an item whose metadata are a JSON object
const IMAGE_KEYS = ["image", "path", "file"]; // the same keys as in maker's `image_of`

/**
 * Makes the card of an item.
 * @param {number} item
 * @param {string} metadata
 * @param {{knowsItems: boolean, site: object, manifest: object}} opened What the worker knows.
 * @param {(item: number) => Promise<string | null>} ownThumbnail The address of the thumbnail of a photo of the user's.
 */
export function makeCard(item, metadata, opened, ownThumbnail) {
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
  card.dataset.item = item;
  card.querySelector(".name").textContent = label(metadata).slice(0, 80);
  const button = card.querySelector("button");
  button.title = metadata.slice(0, 300);
  button.disabled = !opened.knowsItems;
  const tick = card.querySelector(".tick");
  tick.hidden = !opened.knowsItems;
  tick.setAttribute("aria-label", `Choose ${label(metadata).slice(0, 80)} for more like several`);
  tick.title = "Choose for more like several";
  button.querySelector(".unseen").hidden = !opened.knowsItems;
  const image = card.querySelector("img");
  const own = item >= opened.manifest.items;
  const remove = card.querySelector(".remove");
  remove.hidden = !own;
  remove.setAttribute("aria-label", `Remove ${label(metadata).slice(0, 80)} from this page`);
  const moment = own ? null : playable(imageOf(metadata), opened.site);
  const play = card.querySelector(".play");
  play.hidden = !moment;
  if (moment) {
    play.title = `Play ${moment.title}`;
    play.setAttribute("aria-label", play.title);
    play.addEventListener("click", () => openPlayer(moment));
  }
  const address = own ? null : thumbnail(metadata, opened.site);
  const without = () => {
    image.remove();
    card.querySelector(".text").textContent = label(metadata).slice(0, 200);
    card.classList.add("without");
  };
  image.addEventListener("error", without, { once: true });
  if (own) {
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    ownThumbnail(item).then((made) => (made ? (image.src = made) : without()), without);
  } else if (address) image.src = address;
  else without();
  return card;
}

/** The path of an item's image, by the same rules as maker's `image_of`. */
function imageOf(metadata) {
  const values = objectOf(metadata);
  const text = values ? textIn(values, IMAGE_KEYS) : metadata;
  return /[^/]\.\w{2,5}$/.test(momentOf(text).file) && !/[\0\n\\\uFFFD]/.test(text) ? text : null;
}

/** The name of an item: its title, the name of its image with the span of time, or its metadata. */
export function label(metadata) {
  const values = objectOf(metadata);
  const image = imageOf(metadata);
  return (values && textIn(values, NAME_KEYS)) || (image && momentOf(image).title) || metadata;
}

function objectOf(metadata) {
  if (!metadata.trimStart().startsWith("{")) return null;
  try {
    return JSON.parse(metadata);
  } catch {
    return null;
  }
}

const textIn = (values, keys) => keys.map((key) => values[key]).find((value) => typeof value === "string") ?? "";

/** The address of an item's thumbnail; null if there is none. */
export function thumbnail(metadata, site) {
  const image = imageOf(metadata);
  const { folder, suffix, count } = site.thumbnails;
  return image && count ? `${folder}/${image.split("/").map(encodeURIComponent).join("/")}${suffix}` : null;
}
