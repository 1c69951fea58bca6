// The filters of the page: chips of values with their counts, the expression, and what is chosen.

import { expressionsOf, isNameable } from "./expressions.js";

const SHOWN = 12; // values of a column before “more”
const MOST = 200; // values of a column
const MOST_TEXTS = 1000; // different texts of a column that can be chosen
const MOST_NUMBERS = 12; // different numbers of a column that can be chosen
const PART_OF_TIME = /^(year|month|day)\((.*)\)$/su;
const MONTHS = Array.from({ length: 12 }, (_, i) => new Intl.DateTimeFormat("en", { month: "short", timeZone: "UTC" }).format(Date.UTC(2024, i)));
const DEBOUNCE = 250; // milliseconds from a keystroke to the expression

const $ = (id) => document.getElementById(id);
const same = (one, other) => one.column === other.column && String(one.value) === String(other.value);

/** What is chosen, and the panel to choose. Values are drawn when `load` is called, which reads the facts. */
export class Filters {
  #call;
  #change;
  #types = new Map();
  #groups = [];
  #asked = { only: [], where: "" };
  #refused = null;
  #latestCounts = 0;
  #latestWhere = 0;

  /**
   * @param {(name: string, ...values: any[]) => Promise<any>} call Asks the worker.
   * @param {(part: object, push: boolean) => void} change Is told what a user chose: `{only}` or `{where}`, and whether it is a step to
   *   come back from.
   */
  constructor(call, change) {
    this.#call = call;
    this.#change = change;
    $("filters-toggle").addEventListener("click", () => this.#open($("filters-panel").hidden));
    $("filters-clear").addEventListener("click", () => {
      $("filters-toggle").focus();
      change({ only: [], where: "" }, true);
    });
    $("filters-panel").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#open(false);
      $("filters-toggle").focus();
    });
    let typed;
    $("where").addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(() => this.#takeWhere(), DEBOUNCE);
    });
    $("where-form").addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typed);
      this.#takeWhere();
    });
  }

  /** Reads the types of the columns, which the expressions of chosen values need. */
  async readColumns() {
    if (this.#types.size) return;
    const columns = await this.#call("columns");
    for (const { name, type, distinct } of columns) this.#types.set(name, { type, distinct });
  }

  /** Draws the values of the columns. */
  async load(items) {
    await this.readColumns();
    const columns = await this.#columnsToChoose(items);
    const counts = await this.#call("facets", { columns });
    this.#groups = columns.map((column) => new Group(column, this.#label(column), counts.get(column), (value) => this.#toggle(column, value)));
    $("facets").replaceChildren(...this.#groups.map((group) => group.element));
    $("where-columns").textContent = `Columns: ${[...this.#types.keys()].join(", ")}`;
    this.show(this.#asked);
  }

  /** The filter as expressions, for a search; null if nothing is chosen. */
  get where() {
    const where = this.#expressions(this.#asked.only);
    return where.length ? where : null;
  }

  /** Shows what is asked for. */
  show(asked) {
    const { only, where } = (this.#asked = asked);
    if (document.activeElement !== $("where") || where === "") $("where").value = where;
    showError(where === this.#refused?.where ? this.#refused.message : "");
    const chips = only.map((one) => chip(this.#label(one.column), valueLabel(one.column, one.value), () => this.#toggle(one.column, one.value)));
    if (where) chips.push(chip("Where", where, () => this.#change({ where: "" }, true)));
    const focused = [...$("chosen").children].findIndex((element) => element.contains(document.activeElement));
    $("chosen").replaceChildren(...chips);
    if (focused >= 0) ($("chosen").children[Math.min(focused, chips.length - 1)]?.querySelector("button") ?? $("filters-toggle")).focus();
    $("chosen").hidden = chips.length === 0;
    $("filters-clear").hidden = chips.length < 2;
    this.#showCounts();
  }

  /** Shows why the expression that is asked for cannot be used. */
  refuse(message) {
    this.#refused = { where: this.#asked.where, message };
    showError(message);
    this.#open(true);
  }

  #open(open) {
    $("filters-panel").hidden = !open;
    $("filters-toggle").setAttribute("aria-expanded", String(open));
  }

  #toggle(column, value) {
    const { only } = this.#asked;
    const rest = only.filter((one) => !same(one, { column, value }));
    this.#change({ only: rest.length < only.length ? rest : [...only, { column, value: String(value) }] }, true);
  }

  async #takeWhere() {
    const where = $("where").value.trim();
    const number = ++this.#latestWhere;
    try {
      if (where) await this.#call("matching", where);
    } catch (error) {
      if (number === this.#latestWhere) showError(error.message);
      return;
    }
    if (number === this.#latestWhere && where !== this.#asked.where) this.#change({ where }, false);
    else if (number === this.#latestWhere) showError("");
  }

  #expressions(only) {
    const typed = only.map(({ column, value }) => ({ column, value: this.#typeOf(column) === "number" ? Number(value) : value }));
    return [...expressionsOf(typed, (column) => this.#typeOf(column)), ...(this.#asked.where ? [this.#asked.where] : [])];
  }

  #typeOf(column) {
    return PART_OF_TIME.test(column) ? "number" : this.#types.get(column)?.type ?? "text";
  }

  #label(column) {
    const [, unit, of] = PART_OF_TIME.exec(column) ?? [];
    const times = [...this.#types.values()].filter(({ type }) => type === "time").length;
    const name = unit ? (times > 1 ? `${unit} (${of})` : unit) : column;
    return name[0].toUpperCase() + name.slice(1);
  }

  /** The columns with few values, in the order of the panel. */
  async #columnsToChoose(items) {
    const named = [...this.#types].filter(([name]) => isNameable(name));
    const ofType = (wanted, holds = () => true) => named.filter(([, { type, distinct }]) => type === wanted && holds(distinct)).map(([name]) => name);
    const texts = ofType("text", (distinct) => distinct > 0 && distinct <= MOST_TEXTS && 2 * distinct <= items);
    const numbers = ofType("number");
    return [
      ...ofType("time").flatMap((name) => [`year(${name})`, `month(${name})`]),
      ...texts.sort((a, b) => (b === "folder") - (a === "folder")),
      ...ofType("tags", (distinct) => distinct > 0),
      ...(numbers.length ? await this.#call("columnsOfFew", numbers, MOST_NUMBERS) : []),
    ];
  }

  /** Shows how many items have each value, under what else is chosen. */
  async #showCounts() {
    const number = ++this.#latestCounts;
    const byWhere = new Map();
    for (const group of this.#groups) {
      // A further value of a column widens what is chosen, a further tag narrows it.
      const others = this.#typeOf(group.column) === "tags" ? this.#asked.only : this.#asked.only.filter(({ column }) => column !== group.column);
      const where = JSON.stringify(this.#expressions(others));
      byWhere.set(where, [...(byWhere.get(where) ?? []), group]);
    }
    for (const [where, groups] of byWhere) {
      const counts = await this.#call("facets", { columns: groups.map(({ column }) => column), where: JSON.parse(where) }).catch(() => null);
      if (number !== this.#latestCounts) return;
      for (const group of groups) group.show(counts?.get(group.column) ?? [], this.#asked.only);
    }
  }
}

/** The values of a column. */
class Group {
  element = document.createElement("fieldset");
  #buttons = new Map();
  #choose;
  #values = document.createElement("div");
  #more = document.createElement("button");
  #whole = false;
  #latest = [[], []];

  constructor(column, label, counts, choose) {
    this.column = column;
    this.#choose = choose;
    const legend = document.createElement("legend");
    legend.textContent = label;
    this.#values.className = "values";
    this.#more.type = "button";
    this.#more.className = "more";
    this.#more.addEventListener("click", () => this.#showAll());
    this.element.append(legend, this.#values);
    this.#values.append(this.#more);
    const ordered = counts.slice(0, MOST);
    if (typeof ordered[0]?.[0] === "number") ordered.sort(([a], [b]) => (column.startsWith("year(") ? b - a : a - b));
    for (const [value] of ordered) this.#add(value);
  }

  /** Shows the values that items have, with their counts, and which are chosen. */
  show(counts, only) {
    const found = new Map(counts.map(([value, count]) => [String(value), count]));
    const chosen = only.filter(({ column }) => column === this.column).map(({ value }) => String(value));
    for (const value of chosen) if (!this.#buttons.has(value)) this.#add(value);
    let [shown, hidden] = [0, 0];
    for (const [value, button] of this.#buttons) {
      const pressed = chosen.includes(value);
      const count = found.get(value) ?? 0;
      button.setAttribute("aria-pressed", String(pressed));
      button.querySelector(".count").textContent = count.toLocaleString("en");
      const there = pressed || button === document.activeElement || (count > 0 && (this.#whole || shown < SHOWN));
      button.hidden = !there;
      if (there) shown += 1;
      else if (count > 0) hidden += 1;
    }
    this.#more.hidden = !hidden;
    this.#more.textContent = `${hidden} more`;
    this.element.hidden = shown === 0;
    this.#latest = [counts, only];
  }

  #showAll() {
    const before = [...this.#buttons.values()].filter((button) => button.hidden);
    this.#whole = true;
    this.show(...this.#latest);
    before.find((button) => !button.hidden)?.focus();
  }

  #add(value) {
    const button = document.createElement("button");
    const [name, number] = [document.createElement("span"), document.createElement("span")];
    button.type = "button";
    button.className = "value";
    button.title = String(value);
    name.className = "name";
    name.textContent = valueLabel(this.column, value);
    number.className = "count";
    button.append(name, " ", number);
    button.addEventListener("click", () => this.#choose(value));
    this.#buttons.set(String(value), button);
    this.#more.before(button);
  }
}

function valueLabel(column, value) {
  if (column.startsWith("month(")) return MONTHS[value - 1] ?? String(value);
  return String(value) || "(empty)";
}

/** A chosen value, which a click removes. */
function chip(label, value, remove) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const [name, text] = [document.createElement("span"), document.createElement("span")];
  button.type = "button";
  name.className = "label";
  name.textContent = label;
  text.className = "name";
  text.textContent = value;
  button.setAttribute("aria-label", `Remove the filter ${label} ${value}`);
  button.title = value;
  button.append(name, " ", text, crossIcon());
  button.addEventListener("click", remove);
  item.append(button);
  return item;
}

function crossIcon() {
  const [icon, use] = ["svg", "use"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  icon.setAttribute("aria-hidden", "true");
  use.setAttribute("href", "icon.svg#cross");
  icon.append(use);
  return icon;
}

function showError(message) {
  $("where-error").textContent = message;
  $("where-error").hidden = message === "";
  if (message) $("where").setAttribute("aria-invalid", "true");
  else $("where").removeAttribute("aria-invalid");
}
