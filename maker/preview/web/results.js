// The grid of results.

import { makeCard } from "./cards.js";
import { minus, percent } from "./wording.js";

const EAGER = 12; // thumbnails loaded at once; the others when they come into view
const MOST_CARDS = 2000;

const $ = (id) => document.getElementById(id);

/** Shows items as cards, which are reused, so that a picture in successive results does not flicker. */
export class Results {
  #cards = new Map(); // list entry by item
  #make;
  #selection;

  /**
   * @param {import("./selection.js").Selection} selection The ticked items.
   * @param {(item: number, metadata: string) => Element} make Makes the card of an item.
   */
  constructor(selection, make) {
    this.#selection = selection;
    this.#make = make;
  }

  /** Shows items, and hides the notes of an earlier result. */
  show(neighbors) {
    $("nothing").hidden = $("weaker").hidden = $("nothing-add").hidden = true;
    const shown = neighbors.map((neighbor, i) => this.#cardOf(neighbor, i < EAGER));
    const focused = document.activeElement.closest?.("#results li");
    $("results").replaceChildren(...shown);
    // A moved element loses the focus, so keyboard users would lose their position.
    if (focused) (shown.includes(focused) ? focused : shown[0])?.querySelector("button").focus({ preventScroll: true });
    if (this.#cards.size > MOST_CARDS) this.#cards = new Map(neighbors.map(({ item }, i) => [item, shown[i]]));
  }

  #cardOf({ item, distance, relevance, metadata }, eager) {
    const card = this.#cards.get(item) ?? this.#make(item, metadata);
    this.#cards.set(item, card);
    const image = card.querySelector("img");
    if (image && eager) image.loading = "eager";
    card.querySelector(".distance").hidden = distance === undefined;
    const far = distance === undefined ? "" : minus(distance.toFixed(3));
    card.querySelector(".measure").textContent = relevance === undefined ? "distance " : "relevance ";
    card.querySelector(".figure").textContent = relevance === undefined ? far : percent(relevance);
    card.querySelector(".distance").title = relevance === undefined ? "" : `distance ${far}`;
    this.#selection.mark(card);
    return card;
  }

  /** Takes the card of an item away; the keyboard goes on at its neighbour. */
  remove(item) {
    const card = this.#cards.get(item);
    this.#cards.delete(item);
    const next = card?.nextElementSibling ?? card?.previousElementSibling;
    card?.remove();
    next?.querySelector("button").focus({ preventScroll: true });
  }

  /** Forgets all cards, because other items have these ids now. */
  forget() {
    this.#cards.clear();
  }
}

/** Arrow keys move through the grid as it is laid out; up from the first row moves to the search box. */
export function moveInGrid(event) {
  const all = [...$("results").children];
  const at = all.indexOf(document.activeElement.closest("li"));
  const columns = Math.max(1, all.filter((card) => card.offsetTop === all[0].offsetTop).length);
  const next = at + { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  event.preventDefault();
  if (next < 0 && event.key === "ArrowUp" && !$("query").disabled) $("query").focus();
  else all[next]?.querySelector("button").focus();
}
