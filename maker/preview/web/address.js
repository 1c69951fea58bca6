// What is asked for, in the page's address: `#q=words`, `#like=item,item`, and filters: `only=column:value` for each value that was
// chosen, `where=expression`, `words=off`.

/** What is asked for: words, or items for more like them; filters; and whether words are looked up in the texts of items. */
export const NOTHING = { words: "", like: [], only: [], where: "", lexical: true };

/** Reads what the address asks for. */
export function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const only = parameters.getAll("only").map((pair) => [pair.split(":", 1)[0], pair.slice(pair.indexOf(":") + 1)]);
  return {
    words: parameters.get("q") ?? "",
    like: parameters.get("like")?.split(",").map(Number) ?? [],
    only: only.map(([column, value]) => ({ column: column.replaceAll("%3A", ":").replaceAll("%25", "%"), value })),
    where: parameters.get("where") ?? "",
    lexical: parameters.get("words") !== "off",
  };
}

/** What comes behind `#` for what is asked for. */
export function addressOf({ words, like, only, where, lexical }) {
  const parameters = new URLSearchParams();
  if (words) parameters.set("q", words);
  if (like.length) parameters.set("like", like.join(","));
  for (const { column, value } of only) parameters.append("only", `${column.replace(/[%:]/g, encodeURIComponent)}:${value}`);
  if (where) parameters.set("where", where);
  if (!lexical) parameters.set("words", "off");
  return String(parameters).replace(/%(?:2C|2F|3A|28|29)/g, decodeURIComponent); // easier to read
}

/** Writes what is asked for into the address; with `push`, the way back leads to what was there. */
export function writeAddress(asked, push = false) {
  const hash = addressOf(asked);
  const address = `${location.pathname}${location.search}${hash && `#${hash}`}`;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}
