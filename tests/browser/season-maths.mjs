// What the Seasons page computes, once more: by brute force, in double precision, sharing no code with it.
export const unit = (vector) => {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / norm);
};

export const cosine = (a, b) => unit(a).reduce((sum, value, i) => sum + value * unit(b)[i], 0);

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Similarities of all pairs, `focus` being the index of the one place that must take part, or null. */
export function pairs(places, focus) {
  const dates = places.flatMap((dates, place) => dates.map((vector) => ({ place, vector: unit(vector) })));
  const [same, other] = [[], []];
  dates.forEach((a, i) => {
    for (const b of dates.slice(i + 1)) {
      if (focus !== null && a.place !== focus && b.place !== focus) continue;
      (a.place === b.place ? same : other).push(dot(a.vector, b.vector));
    }
  });
  return { same, other };
}

/** Area under the curve, by comparing every pair with every other. */
export function area({ same, other }) {
  let wins = 0;
  for (const s of same) for (const o of other) wins += s > o ? 1 : s === o ? 0.5 : 0;
  return wins / (same.length * other.length);
}

/** Principal components by Jacobi rotations of the inner products: `{ points, shares }`, two axes. */
export function principal(vectors) {
  const units = vectors.map(unit);
  const mean = units[0].map((_, i) => units.reduce((sum, vector) => sum + vector[i], 0) / units.length);
  const centred = units.map((vector) => vector.map((value, i) => value - mean[i]));
  const n = units.length;
  const a = centred.map((x) => centred.map((y) => dot(x, y)));
  const v = a.map((_, i) => a.map((_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 60; sweep += 1) {
    for (let p = 0; p < n; p += 1) {
      for (let q = p + 1; q < n; q += 1) {
        if (Math.abs(a[p][q]) < 1e-18) continue;
        const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < n; k += 1) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
        for (let k = 0; k < n; k += 1) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
        for (let k = 0; k < n; k += 1) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]).slice(0, 2);
  const total = a.reduce((sum, row, i) => sum + row[i], 0);
  return {
    shares: order.map((i) => a[i][i] / total),
    points: v.map((row) => order.map((i) => row[i] * Math.sqrt(Math.max(a[i][i], 0)))),
  };
}
