// Pictures that are ticked, to find more like all of them.

const $ = (id) => document.getElementById(id);

/** The ticked items, and the bar that says how many they are. */
export class Selection {
  #items = new Set();
  #asked = [];

  /** @param {(items: number[]) => void} find Finds more like these. */
  constructor(find) {
    $("selection-find").addEventListener("click", () => find([...this.#items]));
    $("selection-clear").addEventListener("click", () => {
      const first = document.querySelector("#results .tick[aria-pressed=true]");
      this.set(this.#asked);
      (first ?? document.querySelector("#results button"))?.focus({ preventScroll: true });
    });
  }

  /** Ticks the items of the query, and no others. */
  set(items) {
    this.#asked = items;
    this.#items = new Set(items);
    this.#show();
  }

  toggle(item) {
    if (!this.#items.delete(item)) this.#items.add(item);
    this.#show();
  }

  /** Shows whether a card is ticked. */
  mark(card) {
    card.querySelector(".tick").setAttribute("aria-pressed", String(this.#items.has(Number(card.dataset.item))));
  }

  #show() {
    document.querySelectorAll("#results li").forEach((card) => this.mark(card));
    const count = this.#items.size;
    const changed = count !== this.#asked.length || this.#asked.some((item) => !this.#items.has(item));
    $("selection").hidden = !changed || count === 0;
    $("selection-text").textContent = changed && count ? `${count} chosen` : "";
    $("selection-find").textContent = count === 1 ? "More like this" : "More like these";
  }
}
