// Workers, machines and money for a rate: the formulas of packlight.capacity (M/G/c queue; sources are named there).

const TAIL = 0.01;
const ROUNDING = 1e-12;
const SECONDS_PER_HOUR = 3600;
const WORTH = 1.1;

const erlangC = (workers, load) => {
  if (load >= workers) return 1;
  let blocked = 1;
  for (let count = 1; count <= workers; count += 1) blocked = (load * blocked) / (count + load * blocked);
  return blocked / (1 - (load / workers) * (1 - blocked));
};

// The load rests on the latency that the table shows; hiccups in the samples widen the spread and the tail.
const serviceOf = (times, mean) => {
  const own = times.reduce((sum, each) => sum + each, 0) / times.length;
  const variance = times.reduce((sum, each) => sum + (each - own) ** 2, 0) / times.length;
  return { times, mean, squaredCv: variance / own ** 2 };
};

// Share of requests whose wait and service together take longer than a limit.
const shareAbove = (limit, workers, load, service) => {
  const waits = erlangC(workers, load);
  const wait = ((service.mean / (workers - load)) * (1 + service.squaredCv)) / 2;
  const late = service.times.reduce((sum, own) => sum + (own > limit ? 1 : waits * Math.exp(-(limit - own) / wait)), 0);
  return late / service.times.length;
};

const p99WithWait = (workers, load, service) => {
  const wait = ((service.mean / (workers - load)) * (1 + service.squaredCv)) / 2;
  let [low, high] = [0, Math.max(...service.times) - wait * Math.log(TAIL)];
  for (let step = 0; step < 40; step += 1) {
    const middle = (low + high) / 2;
    if (shareAbove(middle, workers, load, service) > TAIL + ROUNDING) low = middle;
    else high = middle;
  }
  return high;
};

const fewestWithin = (p99, fewest, load, service) => {
  const kept = (workers) => shareAbove(p99, workers, load, service) <= TAIL + ROUNDING;
  if (kept(fewest)) return fewest;
  let [tooFew, enough] = [fewest, 2 * fewest];
  while (!kept(enough)) [tooFew, enough] = [enough, 2 * enough];
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (kept(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
};

const fit = (row, threads, workers, rate, machine, prices) => {
  const freeMb = Math.max(0, machine.memory_gb - prices.reserved_memory_gb) * 1000;
  const each = Math.min(Math.floor(machine.vcpus / threads), Math.floor(freeMb / row.peak_memory_mb));
  if (each < 1) return null;
  const machines = Math.ceil(workers / each);
  const month = machines * machine.usd_per_hour * prices.hours_per_month;
  return {
    machine: machine.name,
    machines,
    month,
    million: (month / (rate * SECONDS_PER_HOUR * prices.hours_per_month)) * 1e6,
  };
};

const planWorkers = (row, threads, service, asked) => {
  const load = (asked.rate * service.mean) / 1000;
  const alone = service.times.filter((own) => own > asked.p99).length / service.times.length;
  const reachable = asked.p99 == null || alone < TAIL;
  const fewest = Math.max(1, Math.ceil(Number((load / asked.utilisation).toFixed(9))));
  const workers = asked.p99 != null && reachable ? fewestWithin(asked.p99, fewest, load, service) : fewest;
  const fits = asked.prices.machines.map((machine) => fit(row, threads, workers, asked.rate, machine, asked.prices)).filter(Boolean);
  const cheapestFit = fits.sort((a, b) => a.month - b.month || a.machines - b.machines)[0] ?? null;
  return { threads, workers, busy: load / workers, p99: p99WithWait(workers, load, service), reachable, fit: cheapestFit };
};

// asked: {rate, utilisation, p99 or null, prices}; times: the row's service times in milliseconds.
// If all threads were better, whichever keeps the p99 with fewer cores, and one thread if both need as many.
const plan = (row, times, asked) => {
  const tried = row.all_threads;
  const one = planWorkers(row, row.threads, serviceOf(times, row.latency_ms.mean), asked);
  if (!tried || !(tried.speedup_ci95[0] > WORTH)) return one;
  const quicker = times.map((own) => own / tried.speedup);
  const every = planWorkers(row, tried.threads, serviceOf(quicker, row.latency_ms.mean / tried.speedup), asked);
  const fewer = every.reachable === one.reachable && every.workers * every.threads < one.workers * one.threads;
  return (every.reachable && !one.reachable) || fewer ? every : one;
};
