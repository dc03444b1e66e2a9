// The user's own linear head, learned once more: by plain accelerated descent in double precision on the embeddings as
// they are, sharing no code, no basis and no solver with the page.
const REGULARISER = 1e-3;
const STEPS = 3000;

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const unit = (vector) => {
  const norm = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / norm);
};

function softmax(scores) {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

/**
 * Minimises mean cross-entropy + λ/2 ‖W‖² over the unit embeddings, centred and brought to unit root-mean-square length.
 * @returns {(embedding: number[]) => number[]} probabilities of the `count` classes
 */
export function learn(embeddings, labels, count) {
  const units = embeddings.map(unit);
  const width = units[0].length;
  const mean = Array.from({ length: width }, (_, j) => units.reduce((sum, row) => sum + row[j], 0) / units.length);
  const centred = units.map((row) => row.map((value, j) => value - mean[j]));
  const spread = Math.sqrt(centred.reduce((sum, row) => sum + dot(row, row), 0) / units.length);
  // A last column of ones is the bias, which is not penalised.
  const rows = centred.map((row) => Float64Array.from([...row.map((value) => value / spread), 1]));
  const size = count * (width + 1);
  // The loss bends by at most half the largest squared length.
  const rate = 1 / (REGULARISER + 0.5 * Math.max(...rows.map((row) => row.reduce((sum, value) => sum + value * value, 0))));
  let [at, ahead, momentum] = [new Float64Array(size), new Float64Array(size), 1];
  const gradient = new Float64Array(size);
  const scores = new Float64Array(count);
  for (let step = 0; step < STEPS; step += 1) {
    for (let i = 0; i < size; i += 1) gradient[i] = i % (width + 1) === width ? 0 : REGULARISER * ahead[i];
    for (let r = 0; r < rows.length; r += 1) {
      const row = rows[r];
      for (let k = 0; k < count; k += 1) {
        scores[k] = 0;
        for (let j = 0; j <= width; j += 1) scores[k] += row[j] * ahead[k * (width + 1) + j];
      }
      const shares = softmax(scores);
      for (let k = 0; k < count; k += 1) {
        const error = (shares[k] - (k === labels[r])) / rows.length;
        for (let j = 0; j <= width; j += 1) gradient[k * (width + 1) + j] += error * row[j];
      }
    }
    const next = ahead.map((value, i) => value - rate * gradient[i]);
    const faster = (1 + Math.sqrt(1 + 4 * momentum * momentum)) / 2;
    ahead = next.map((value, i) => value + ((momentum - 1) / faster) * (value - at[i]));
    [at, momentum] = [next, faster];
  }
  return (embedding) => {
    const row = [...unit(embedding).map((value, j) => (value - mean[j]) / spread), 1];
    return softmax(Array.from({ length: count }, (_, k) => row.reduce((sum, value, j) => sum + value * at[k * (width + 1) + j], 0)));
  };
}

/** How many rows are named rightly by a head that has learned from all the others. */
export function leaveOneOut(embeddings, labels, count) {
  const others = (list, i) => list.filter((_, j) => j !== i);
  return embeddings.filter((embedding, i) => {
    const shares = learn(others(embeddings, i), others(labels, i), count)(embedding);
    return shares.indexOf(Math.max(...shares)) === labels[i];
  }).length;
}
