// Queries of several parts, as one vector: the same as `task/search/query.py` and `compose.py`.

const PUSH = 0.2; // as in compose.py
const RANK = 0.1;
const LEFT = 1e-3;
const EXCLUDED = /(^|\s)-(?:"([^"]+)"|([^\s"-]\S*))/gu;

/**
 * What a text asks for: a minus directly before a word, or before words in double quotes, excludes them.
 * @param {string} text
 * @returns {{wanted: string, excluded: string[]}}
 */
export function parseQuery(text) {
  const excluded = [];
  const rest = text.replace(EXCLUDED, (_, before, phrase, word) => {
    excluded.push((phrase ?? word).trim());
    return before;
  });
  return excluded.length ? { wanted: rest.split(/\s+/u).filter(Boolean).join(" "), excluded } : { wanted: text, excluded };
}

/**
 * The mean of the wanted parts without what the excluded ones point at, as long as the wanted ones are on average. Where sentences meet
 * pictures, the mean of its kind is removed from each part first.
 * @param {{vector: Float32Array, kind: string, weight?: number}[]} wanted At least one; `kind` is `text` or `image`.
 * @param {{vector: Float32Array, kind: string}[]} excluded
 * @param {{text?: number[], image?: number[]}} [means] Those of the manifest.
 * @returns {Float32Array | null} null if nothing is left.
 */
export function compose(wanted, excluded, means = {}) {
  const parts = [...wanted, ...excluded];
  const mixed = new Set(parts.map(({ kind }) => kind)).size === 2 && means.text && means.image;
  const vectors = parts.map(({ vector, kind }) => (mixed ? withoutMean(vector, means[kind]) : Array.from(vector)));
  const norms = parts.map(({ vector }) => norm(vector));
  const total = wanted.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const weights = wanted.map(({ weight = 1 }) => weight / total);
  const average = (values) => weights.reduce((sum, weight, k) => sum + weight * values(k), 0);
  const length = average((k) => norms[k]);
  let vector = vectors[0].map((_, i) => average((k) => vectors[k][i]));
  if (excluded.length) {
    const directions = vectors.slice(wanted.length).map((part, k) => part.map((value) => value / norms[wanted.length + k]));
    const inverse = inverseGram(directions);
    const along = multiply(inverse, directions.map((direction) => dot(direction, vector)));
    const push = multiply(inverse, directions.map(() => PUSH));
    const rest = vector.map((value, i) => value - directions.reduce((sum, direction, k) => sum + along[k] * direction[i], 0));
    const left = norm(rest);
    if (!(left > LEFT * length)) return null;
    vector = rest.map((value, i) => value / left - directions.reduce((sum, direction, k) => sum + push[k] * direction[i], 0));
  }
  const left = norm(vector);
  return left > LEFT * length ? Float32Array.from(vector, (value) => (value * length) / left) : null;
}

/** A vector without a mean, as long as it was. */
function withoutMean(vector, mean) {
  const rest = Array.from(vector, (value, i) => value - mean[i]);
  const scale = norm(vector) / (norm(rest) || 1);
  return rest.map((value) => value * scale);
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const multiply = (matrix, vector) => matrix.map((row) => dot(row, vector));

/** The pseudo-inverse of the products of directions; those that differ too little count as one (eigenvalues by Jacobi's method). */
function inverseGram(directions) {
  const size = directions.length;
  const gram = directions.map((a) => directions.map((b) => dot(a, b)));
  const axes = directions.map((_, i) => directions.map((__, k) => (i === k ? 1 : 0)));
  for (let sweep = 0; sweep < 50; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(gram[p][q]) < 1e-15) continue;
        const angle = Math.atan2(2 * gram[p][q], gram[q][q] - gram[p][p]) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < size; k++) {
          [gram[k][p], gram[k][q]] = [c * gram[k][p] - s * gram[k][q], s * gram[k][p] + c * gram[k][q]];
          [axes[k][p], axes[k][q]] = [c * axes[k][p] - s * axes[k][q], s * axes[k][p] + c * axes[k][q]];
        }
        for (let k = 0; k < size; k++) [gram[p][k], gram[q][k]] = [c * gram[p][k] - s * gram[q][k], s * gram[p][k] + c * gram[q][k]];
      }
    }
  }
  const values = gram.map((row, i) => Math.max(row[i], 0));
  const least = RANK * RANK * Math.max(...values); // eigenvalues are squares of singular values
  return axes.map((_, i) =>
    axes.map((__, k) => values.reduce((sum, value, j) => sum + (value > least ? (axes[i][j] * axes[k][j]) / value : 0), 0)),
  );
}
