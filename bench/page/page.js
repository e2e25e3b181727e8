// Draws the plots of the page from the results that stand in it. Tables and bars are in the page already.
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
	const soft = colour("--soft"), line = colour("--line");
	const plots = [];

	const axis = more => ({ stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px sans-serif", labelFont: "12px sans-serif", labelSize: 18, ...more });
	const series = (label, name, more) => ({ label, stroke: colour(name), width: 1.6, points: { show: false }, ...more });
	const short = v => v == null ? "" : v >= 1e6 ? v / 1e6 + " M" : v >= 1e3 ? v / 1e3 + " k" : String(+v.toPrecision(6));
	const powers = (u, values) => values.map(v => v != null && /^[125]/.test(v.toExponential()) ? short(v) : "");

	function draw(id, options, values) {
		const place = document.getElementById(id);
		if (!place) return;
		const size = () => ({ width: place.clientWidth - 20, height: options.height || 330 });
		const plot = new uPlot({ ...size(), ...options, ...size() }, values, place);
		plots.push(() => plot.setSize(size()));
	}

	// Events are lines across the plot, each with its name at the top, in as many rows as it takes for names to lie apart.
	const marks = events => ({ hooks: { draw: [u => {
		const c = u.ctx, ratio = devicePixelRatio || 1, rows = [];
		c.save();
		c.textAlign = "left";
		c.textBaseline = "alphabetic";
		c.font = 11.5 * ratio + "px sans-serif";
		for (const e of events) {
			const x = Math.round(u.valToPos(e.at_s, "x", true)), right = u.valToPos(e.at_s + e.took_ms / 1e3, "x", true);
			c.fillStyle = colour("--d");
			c.globalAlpha = .13;
			c.fillRect(x, u.bbox.top, Math.max(2, right - x), u.bbox.height);
			c.globalAlpha = .9;
			c.fillRect(x, u.bbox.top, Math.max(1, ratio), u.bbox.height);
			const text = e.title + " " + e.took_ms.toFixed(0) + " ms", wide = c.measureText(text).width;
			const from = Math.min(x + 4 * ratio, u.bbox.left + u.bbox.width - wide);
			let row = rows.findIndex(end => end < from);
			if (row < 0) row = rows.push(0) - 1;
			rows[row] = from + wide + 8 * ratio;
			c.globalAlpha = 1;
			c.fillText(text, from, u.bbox.top + (13 + 15 * row) * ratio);
		}
		c.restore();
	}] } });

	function overTime(id, of) {
		if (!of || !of.series) return;
		const some = of.series.filter(m => m.count > 0);
		draw(id, {
			height: 400, plugins: [marks(of.events || [])],
			scales: { x: { time: false }, y: { distr: 3, log: 10, range: (u, low, high) => [Math.max(.05, low / 1.6), high * 4] } },
			axes: [axis({ label: "秒 seconds" }), axis({ label: "毫秒 ms", size: 58, values: powers })],
			series: [{ label: "秒 s", value: (u, v) => v == null ? "" : v.toFixed(1) },
				series("p50 ms", "--a"), series("p99 ms", "--c"), series("最大 max ms", "--b", { width: 1 })],
		}, [some.map(m => m.at_s), some.map(m => m.p50_ms), some.map(m => m.p99_ms), some.map(m => m.max_ms)]);
	}

	function throughput(of) {
		const ones = (of || []).filter(r => r.in_flight === 1).sort((a, b) => a.connections - b.connections);
		if (ones.length < 2) return;
		draw("throughput", {
			scales: { x: { time: false, distr: 3, log: 2 }, y: { distr: 3, log: 10 } },
			axes: [axis({ label: "连接 connections, 各一笔在途 one in flight on each", splits: () => ones.map(r => r.connections), filter: (u, splits) => splits, values: (u, v) => v.map(x => x.toLocaleString()) }), axis({ label: "笔/秒 per second", size: 66, values: powers })],
			series: [{ label: "连接 connections" }, series("交换机 switch /s", "--a", { points: { show: true, size: 6 }, width: 2.2 }), series("floor /s", "--c", { dash: [6, 4] }), series("echo /s", "--b", { dash: [2, 4] })],
		}, [ones.map(r => r.connections), ones.map(r => Math.round(r.tps)), ones.map(r => Math.round(r.floor_tps)), ones.map(r => Math.round(r.echo_tps))]);
	}

	function cost(id, points, of, label) {
		if (!points || points.length < 2) return;
		const first = points[0].cpu_us_per_request, most = Math.max(1.3 * first, ...points.map(p => p.cpu_us_per_request));
		draw(id, {
			height: 280, scales: { x: { time: false, distr: 3, log: 10 }, y: { range: [0, most * 1.15] } },
			axes: [axis({ label, splits: () => points.map(p => Math.max(1, p[of])), filter: (u, splits) => splits, values: (u, v) => v.map(x => x === 1 ? "0" : short(x)) }), axis({ label: "us/笔 us/request", size: 50 })],
			series: [{ label, value: (u, v) => v == null ? "" : v.toLocaleString() }, series("CPU us/笔", "--a", { points: { show: true, size: 7 }, width: 2.2 }), series("目标 target", "--d", { dash: [4, 4], width: 1 })],
		}, [points.map(p => Math.max(1, p[of])), points.map(p => +p.cpu_us_per_request.toFixed(3)), points.map(() => +(1.15 * first).toFixed(3))]);
	}

	throughput(data.saturate);
	overTime("latency", data.latency);
	cost("growth-holders", data.growth && data.growth.by_holders, "holders", "持卡人 holders");
	cost("growth-records", data.growth && data.growth.by_records, "records", "已存记录 stored records");
	overTime("nation", data.nation && data.nation.rush);
	addEventListener("resize", () => plots.forEach(resize => resize()));
})();
