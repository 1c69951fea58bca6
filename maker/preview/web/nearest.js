// Selects the smallest distances.

/** The places of the smallest values, ascending; ties by place. NaN is left out. */
export function smallest(values, count) {
  const best = [];
  for (let i = 0; i < values.length; i++) {
    if (!(best.length < count ? values[i] === values[i] : values[i] < values[best.at(-1)])) continue;
    let [low, high] = [0, best.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[best[middle]] <= values[i]) low = middle + 1;
      else high = middle;
    }
    best.splice(low, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}

/**
 * Joins two results.
 * @param {{items: number[], distances: number[]}} one The nearest first.
 * @param {{items: number[], distances: number[]}} other
 * @param {number} count The most results.
 * @returns {{items: number[], distances: number[]}} The nearest first; ties by item.
 */
export function merged(one, other, count) {
  const items = [...one.items, ...other.items];
  const distances = [...one.distances, ...other.distances];
  const order = items.map((_, i) => i).sort((a, b) => distances[a] - distances[b] || items[a] - items[b]);
  const best = order.slice(0, count);
  return { items: best.map((i) => items[i]), distances: best.map((i) => distances[i]) };
}

/**
 * The dot product of a row with a query.
 * @param {Int8Array | Float32Array} values Rows one after the other.
 * @param {number} at Where the row begins.
 * @param {Float32Array} query
 * @returns {number}
 */
export function dotAt(values, at, query) {
  let [a, b, c, d] = [0, 0, 0, 0]; // four sums do not wait for each other
  let i = 0;
  for (const whole = query.length & ~3; i < whole; i += 4, at += 4) {
    a += values[at] * query[i];
    b += values[at + 1] * query[i + 1];
    c += values[at + 2] * query[i + 2];
    d += values[at + 3] * query[i + 3];
  }
  for (; i < query.length; i++, at++) a += values[at] * query[i];
  return a + b + (c + d);
}
