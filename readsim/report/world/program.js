"use strict";
/* Carries out the programs that readsim recorded from a world's own equations (readsim/report/world/trace.py). */

const UNARY = {
  absolute: Math.abs, exp: Math.exp, expm1: Math.expm1, log: Math.log, log1p: Math.log1p,
  negative: (a) => -a, sqrt: Math.sqrt, tanh: Math.tanh,
};
const BINARY = {
  add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b,
  power: Math.pow, maximum: Math.max, minimum: Math.min,
  greater: (a, b) => +(a > b), greater_equal: (a, b) => +(a >= b), less: (a, b) => +(a < b),
  less_equal: (a, b) => +(a <= b),
};
const WHOLE = {
  sum: (a) => a.reduce((x, y) => x + y, 0),
  min: (a) => a.reduce((x, y) => Math.min(x, y)),
  max: (a) => a.reduce((x, y) => Math.max(x, y)),
};

function numbers(list) {
  return Float64Array.from(list, Number);
}

function interpolated(x, knots, values) {
  if (x <= knots[0]) return values[0];
  const last = knots.length - 1;
  if (x >= knots[last]) return values[last];
  let low = 0, high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle] <= x) low = middle; else high = middle;
  }
  return values[low] + (values[high] - values[low]) / (knots[high] - knots[low]) * (x - knots[low]);
}

/* One operation as a function without arguments that fills `out` from the vectors `from`. */
function operation(name, out, from, data, constants) {
  const n = out.length, [a, b, c] = from, step = from.map((v) => (v.length === 1 ? 0 : 1));
  if (name in UNARY) {
    const f = UNARY[name];
    return () => { for (let i = 0; i < n; i++) out[i] = f(a[i * step[0]]); };
  }
  if (name in BINARY) {
    const f = BINARY[name], [s, t] = step;
    return () => { for (let i = 0; i < n; i++) out[i] = f(a[i * s], b[i * t]); };
  }
  if (name in WHOLE) return () => { out[0] = WHOLE[name](a); };
  if (name === "where") {
    const [r, s, t] = step;
    return () => { for (let i = 0; i < n; i++) out[i] = a[i * r] ? b[i * s] : c[i * t]; };
  }
  if (name === "matmul") {
    const matrix = constants[data];
    return () => {
      out.fill(0);
      for (let i = 0, at = 0; i < a.length; i++) {
        const x = a[i];
        for (let j = 0; j < n; j++, at++) out[j] += x * matrix[at];
      }
    };
  }
  if (name === "dot") {
    return () => { let sum = 0; for (let i = 0; i < a.length; i++) sum += a[i] * b[i]; out[0] = sum; };
  }
  if (name === "take") return () => { for (let i = 0; i < n; i++) out[i] = a[data[i]]; };
  if (name === "put") {
    return () => { out.set(a); data.forEach((place, i) => { out[place] = b[i * step[1]]; }); };
  }
  if (name === "interp") {
    const [knots, values] = data.map((place) => constants[place]);
    return () => { for (let i = 0; i < n; i++) out[i] = interpolated(a[i], knots, values); };
  }
  throw new Error(`this page does not know the operation ${name}`);
}

/* The program as a function of its inputs, a list of vectors, that gives a list of vectors. */
function compiled(program, constants) {
  const vectors = [], inputs = [], steps = [];
  for (const [name, length, reads, data] of program.nodes) {
    if (name === "constant") { vectors.push(constants[data]); continue; }
    const out = new Float64Array(length);
    if (name === "input") inputs.push(out);
    else steps.push(operation(name, out, reads.map((node) => vectors[node]), data, constants));
    vectors.push(out);
  }
  return (given) => {
    inputs.forEach((vector, i) => vector.set(given[i]));
    for (const step of steps) step();
    return program.outputs.map((node) => vectors[node].slice());
  };
}

/* Normal deviates, the same on every page (mulberry32, Box and Muller). */
function normals(count, seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return Float64Array.from({ length: count }, () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/* What a world's data can be asked: see `exported` in readsim/report/world/export.py. */
function forecaster(data) {
  const constants = data.constants.map(numbers);
  const compile = (program) => compiled(program, constants);
  const initial = compile(data.initial), advance = compile(data.advance), profile = compile(data.profile);
  const deviation = compile(data.deviation), utilities = data.utilities.map(compile);
  const rate = numbers(data.rate), spread = numbers(data.efficiency_sd), pace = numbers(data.pace);
  const steps = data.steps, own = data.process_width * steps, width = rate.length + own;
  const varied = own > 0 || spread.some((sd) => sd > 0);
  const draws = varied ? normals(data.runs * width, 1) : new Float64Array(0);

  /* The profile after `budget` tokens at constant `shares`; `luck` is that of one run, or nothing. */
  function predicted(shares, budget, luck) {
    const speed = luck ? rate.map((r, i) => r * Math.exp(spread[i] * luck[i])) : rate;
    const tokens = Float64Array.from(shares, (share) => share * (budget / steps));
    let state = initial([speed]);
    for (let step = 0; step < steps; step++) {
      const more = data.process_width ? [luck
        ? luck.subarray(rate.length + step * data.process_width, rate.length + (step + 1) * data.process_width)
        : new Float64Array(data.process_width)] : [];
      state = advance([...state, tokens, ...more, [pace[step]]]);
    }
    return profile(state)[0];
  }

  /* Variance over runs of numbers that each run gives, [[...] of a run, ...]: a vector. */
  function variance(rows) {
    return Float64Array.from(rows[0], (_, j) => {
      const mean = rows.reduce((sum, row) => sum + row[j], 0) / rows.length;
      return rows.reduce((sum, row) => sum + (row[j] - mean) ** 2, 0) / (rows.length - 1);
    });
  }

  const utility = (task, scores) => utilities[task]([scores])[0][0];

  /* Scores and utility of task number `task`, each with the half width of its 95 % interval. */
  function forecast(shares, budget, task) {
    const scores = predicted(shares, budget), value = utility(task, scores);
    const noise = deviation([scores])[0].map((sd) => sd * sd);
    const least = data.least_sd ? numbers(data.least_sd) : null;
    if (least) least.forEach((sd, j) => { noise[j] = sd * sd; });
    let own_noise = 0;
    scores.forEach((score, j) => {
      if (!(noise[j] > 0)) return;
      const move = 1e-6 * Math.max(1, Math.abs(score));
      const up = scores.slice(), down = scores.slice();
      up[j] += move; down[j] -= move;
      own_noise += ((utility(task, up) - utility(task, down)) / (2 * move)) ** 2 * noise[j];
    });
    if (varied) {
      const runs = Array.from({ length: data.runs }, (_, r) =>
        predicted(shares, budget, draws.subarray(r * width, (r + 1) * width)));
      variance(runs).forEach((v, j) => { noise[j] += v; });
      own_noise += variance(runs.map((run) => [utility(task, run)]))[0];
    }
    return {
      scores, value, half: noise.map((v) => data.quantile * Math.sqrt(v)),
      value_half: data.quantile * Math.sqrt(own_noise),
    };
  }

  /* The largest difference, relative where numbers pass 1, to what readsim itself predicted. */
  function largest_difference() {
    let worst = 0;
    for (const check of data.checks) {
      const scores = predicted(numbers(check.shares), check.budget);
      const values = utilities.map((_, task) => utility(task, scores));
      for (const [own, told] of [[scores, check.scores], [values, check.utilities]])
        numbers(told).forEach((v, j) => {
          const off = Math.abs(own[j] - v) / Math.max(1, Math.abs(v));
          worst = off <= worst ? worst : off;
        });
    }
    return worst;
  }
  return { predicted, forecast, largest_difference };
}
