// How the page says numbers.

/** What the items are called. */
export const noun = ({ site, manifest, takesSounds }) => (takesSounds ? "sound" : site.thumbnails.count ? "picture" : manifest.items ? "item" : "photo");

/** A number of things, such as `1 picture` and `2,000 pictures`. */
export const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** A number with a minus sign. */
export const minus = (text) => text.replace("-", "\u2212");

/** Never rounds a probability to 0 %. */
export const percent = (share) => (share < 0.005 ? "under 1 %" : `${Math.round(100 * share)} %`);
