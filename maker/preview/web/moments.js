// ISO 8601 dates and times, as the seconds that they name: the same as `task/search/moments.py`.

const ISO = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?$/;

const DAY = 24 * 60 * 60; // seconds

/**
 * The seconds since 1970 that a date or time names. `2024` is a year, `2024-05-31` a day.
 * @param {string} text
 * @returns {[number, number] | null} Its first, and the first after it; null if the text is no date or time.
 */
export function span(text) {
  const match = ISO.exec(text.trim());
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => (part === undefined ? null : Number(part)));
  const parts = [year, month ?? 1, day ?? 1, hour ?? 0, minute ?? 0, second ?? 0];
  const start = secondsAt(parts);
  if (start === null) return null;
  const shifted = start - offset(match[7]);
  if (day !== null) return [shifted, shifted + (hour === null ? DAY : second === null ? 60 : 1)];
  const last = new Date(start * 1000);
  last.setUTCFullYear(month === null ? year + 1 : year, month ?? 0, 1);
  return [shifted, last.getTime() / 1000];
}

/** The seconds at a moment; null if there is no such one in the years 1 to 9999. */
function secondsAt([year, month, day, hour, minute, second]) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const found = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
  const exists = year >= 1 && year <= 9999 && found.every((part, i) => part === [year, month, day, hour, minute, second][i]);
  return exists ? date.getTime() / 1000 : null;
}

function offset(text) {
  if (text === undefined || text === "Z") return 0;
  const digits = text.slice(1).replace(":", "");
  return (text[0] === "-" ? -1 : 1) * (3600 * Number(digits.slice(0, 2)) + 60 * Number(digits.slice(2)));
}
