// The pictures of a query, in the search box.

import { label, thumbnail } from "./cards.js";

const $ = (id) => document.getElementById(id);

/**
 * Shows the pictures of a query.
 * @param {object} query
 * @param {number[]} [query.like] Items.
 * @param {string} [query.metadata] Of the first of them.
 * @param {?string} [query.picture] The address of a picture that was given.
 * @param {string} [query.name] Its name.
 * @param {string} [query.sound] The name of a sound that was given.
 * @param {{site: object, manifest: object}} opened What the worker knows.
 * @param {(item: number) => Promise<?string>} ownThumbnail The address of the thumbnail of a photo of the user's.
 */
export function showQueryPicture({ like = [], metadata, picture, name, sound }, opened, ownThumbnail) {
  const any = Boolean(picture || sound) || metadata !== undefined;
  const others = like.length - (picture ? 0 : 1);
  const own = any && !picture && like[0] >= opened.manifest.items;
  const text = sound || (picture ? name || "your picture" : any && label(metadata).slice(0, 80));
  $("query-picture").hidden = !any;
  $("query-picture").dataset.item = any && !picture && !sound ? like[0] : "";
  showImage(picture || (any && !sound && !own && thumbnail(metadata, opened.site)));
  if (own) ownThumbnail(like[0]).then((made) => $("query-picture").dataset.item === String(like[0]) && showImage(made));
  $("query-picture-name").textContent = any ? `${text}${others > 0 ? ` and ${others} more` : ""}` : "";
  $("search").classList.toggle("with-picture", any);
}

function showImage(address) {
  $("query-picture-image").hidden = !address;
  if (address) $("query-picture-image").src = address;
  else $("query-picture-image").removeAttribute("src");
}
