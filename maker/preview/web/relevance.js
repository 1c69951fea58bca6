// How likely results are right, by the curves in the manifest: the same as `task/processor/relevance.py`.

/**
 * Judges results; all values are in [0, 1].
 * @param {object | undefined} curve That of the signature in `relevance` of the manifest.
 * @param {number[]} distances Those of the results, ascending.
 * @param {number[]} [evidence] What the graph says of the query.
 * @returns {{found?: number, relevance: (number|undefined)[]}} `found` is how surely the items show what was asked for. What the file
 *   has no curve for is undefined.
 */
export function judge(curve, distances, evidence) {
  if (!curve?.found || !evidence || distances.length === 0) {
    return { relevance: distances.map((distance) => curve && sigmoid(-curve.slope * distance - curve.intercept)) };
  }
  const { results, shows, right, slope } = curve.found;
  const lookedAt = distances.slice(0, results);
  const summary = [lookedAt[0], lookedAt.reduce((a, b) => a + b) / lookedAt.length, lookedAt.at(-1)];
  const [found, usual] = [shows, right].map((weights, i) => weights.reduce((sum, weight, j) => sum + weight * summary[j], evidence[i]));
  return { found: sigmoid(found), relevance: distances.map((distance) => sigmoid(usual - slope * distance)) };
}

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}
