// Filters as text, such as `year >= 2024 and album == 'Norway' and 'beach' in tags`: the same as `task/search/where_parser.py`, which has
// the grammar. They are parsed, never run as code.

import { SearcherError } from "./errors.js";
import { all, any, compare, has, KILOMETRES, missing, near, not, OPERATORS, UNITS } from "./where.js";

const LONGEST = 100_000; // characters
const DEEPEST = 100; // nested brackets and `not`s
const WORD = "[\\p{L}\\p{N}_]";
const TOKEN = new RegExp(
  `\\s*(?:(?<date>\\d{4}-\\d\\d(?:-\\d\\d(?:T\\d\\d:\\d\\d(?::\\d\\d)?(?:Z|[+-]\\d\\d:\\d\\d)?)?)?(?![\\p{L}\\p{N}_\\-]))` +
    "|(?<number>-?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+\\-]?\\d+)?)" +
    `|(?<text>'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*")` +
    "|`(?<quoted>[^`]+)`" +
    `|(?<name>(?!\\p{Nd})${WORD}+)` +
    "|(?<sign>==|!=|<=|>=|<|>|=|\\(|\\)|,))",
  "suy",
);
const SWAPPED = { "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };
const RESERVED = ["and", "or", "not", "in"];

/**
 * The condition that a filter states, or that several state together; an error shows the place.
 * @param {string | string[]} where
 * @returns {(facts: object) => Uint8Array} For `Facts.matching`.
 */
export function parseWhere(where) {
  return Array.isArray(where) ? all(where.map(parseOne)) : parseOne(where);
}

function parseOne(where) {
  if (typeof where !== "string") throw new SearcherError(`where has to be a text, found ${typeof where}.`);
  if (where.length > LONGEST) throw new SearcherError(`where has ${where.length} characters, expected at most ${LONGEST}.`);
  return new Parser(where).filter();
}

class Parser {
  #text;
  #tokens = []; // kind, content and place
  #at = 0;
  #depth = 0;

  constructor(text) {
    this.#text = text;
    const end = text.trimEnd().length;
    for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end; ) {
      const start = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (!match) this.#fail("this character starts nothing that is known", text.length - text.slice(start).trimStart().length);
      const [kind, content] = Object.entries(match.groups).find(([, found]) => found !== undefined);
      this.#tokens.push({ kind, content, place: TOKEN.lastIndex - content.length - (kind === "quoted" ? 1 : 0) });
    }
  }

  filter() {
    const condition = this.#any();
    if (this.#at < this.#tokens.length) this.#fail("expected 'and', 'or' or the end");
    return condition;
  }

  #any() {
    const conditions = [this.#all()];
    while (this.#taken("or")) conditions.push(this.#all());
    return any(conditions);
  }

  #all() {
    const conditions = [this.#one()];
    while (this.#taken("and")) conditions.push(this.#one());
    return all(conditions);
  }

  #one() {
    if (++this.#depth > DEEPEST) this.#fail(`it is nested deeper than ${DEEPEST}`);
    const condition = this.#nested();
    this.#depth--;
    return condition;
  }

  #nested() {
    if (this.#taken("not")) return not(this.#one());
    if (this.#taken("(")) return this.#closed(this.#any());
    if (this.#called("missing")) return this.#closed(missing(this.#column()));
    return this.#called("near") ? this.#near() : this.#comparison();
  }

  #closed(condition) {
    this.#need(")");
    return condition;
  }

  #near() {
    const latitude = this.#column();
    this.#need(",");
    const longitude = this.#column();
    const figures = [];
    for (let i = 0; i < 3; i++) {
      this.#need(",");
      figures.push(this.#number());
    }
    const { kind, content: unit } = this.#peek();
    if (kind !== "name" || !Object.hasOwn(KILOMETRES, unit)) this.#fail(`near needs a unit, one of ${Object.keys(KILOMETRES).join(", ")}`);
    this.#at++;
    return this.#closed(near([latitude, longitude], figures.slice(0, 2), figures[2] * KILOMETRES[unit]));
  }

  #comparison() {
    let left = this.#operand();
    const negated = this.#taken("not");
    const { kind, content } = this.#peek();
    if (negated || (kind === "name" && content === "in")) {
      this.#need("in");
      return this.#in(left, negated);
    }
    const conditions = [];
    for (let sign; (sign = this.#comparing()); ) {
      if (sign === "=") this.#fail("expected == to compare");
      this.#at++;
      const right = this.#operand();
      conditions.push(this.#compared(left, sign, right));
      left = right;
    }
    if (!conditions.length) this.#fail(`expected a comparison (${Object.keys(OPERATORS).join(" ")} in)`);
    return all(conditions);
  }

  #comparing() {
    const { kind, content } = this.#peek();
    return kind === "sign" && (Object.hasOwn(OPERATORS, content) || content === "=") ? content : null;
  }

  #compared(left, sign, right) {
    if ("column" in left === "column" in right) {
      this.#fail(`a comparison of two ${"column" in left ? "columns" : "values"}; expected a column and a value (a text stands in quotes)`, null, 1);
    }
    return "column" in left ? compare(left.column, sign, right.value) : compare(right.column, SWAPPED[sign], left.value);
  }

  #in(left, negated) {
    if ("column" in left) {
      this.#need("(");
      const choices = [];
      while (!choices.length || this.#taken(",")) {
        const operand = this.#operand();
        if ("column" in operand) this.#fail("expected a value; a text stands in quotes", null, 1);
        choices.push(compare(left.column, negated ? "!=" : "==", operand.value));
      }
      return this.#closed((negated ? all : any)(choices));
    }
    const column = this.#column();
    if (typeof left.value !== "string") this.#fail("expected a text in quotes before 'in'", null, 2);
    return has(column, left.value, negated);
  }

  /** A column, `{column}`, or a value, `{value}`. */
  #operand() {
    const { kind, content } = this.#peek();
    if (kind === "name" || kind === "quoted") return { column: this.#column() };
    if (kind === "number") return { value: this.#number() };
    if (kind !== "text" && kind !== "date") this.#fail("expected a column or a value");
    this.#at++;
    return { value: kind === "text" ? content.slice(1, -1).replace(/\\(.)/gsu, "$1") : content };
  }

  #column(ofTime = false) {
    const { kind, content } = this.#peek();
    const unit = kind === "name" && !ofTime && UNITS.find((one) => this.#called(one));
    if (unit) {
      const name = `${unit}(${this.#column(true)})`;
      this.#need(")");
      return name;
    }
    if ((kind !== "name" && kind !== "quoted") || (kind === "name" && RESERVED.includes(content))) this.#fail("expected the name of a column");
    this.#at++;
    return content;
  }

  #number() {
    const { kind, content } = this.#peek();
    if (kind !== "number") this.#fail("expected a number");
    this.#at++;
    return Number(content);
  }

  #peek() {
    return this.#tokens[this.#at] ?? { kind: "end", content: "", place: this.#text.length };
  }

  #taken(word) {
    const { kind, content } = this.#peek();
    if ((kind !== "name" && kind !== "sign") || content !== word) return false;
    this.#at++;
    return true;
  }

  /** Takes a name and the bracket behind it. */
  #called(name) {
    if (!this.#taken(name)) return false;
    if (this.#taken("(")) return true;
    this.#at--;
    return false;
  }

  #need(word) {
    if (!this.#taken(word)) this.#fail(`expected '${word}'`);
  }

  #fail(problem, place = null, back = 0) {
    this.#at -= back;
    const at = place ?? this.#peek().place;
    const found = this.#text.slice(at, at + 20);
    throw new SearcherError(`where: ${problem}, found ${found ? `“${found}”` : "the end"} at character ${Array.from(this.#text.slice(0, at)).length + 1}.`);
  }
}
