package tariff

// Check calls fault with the key and what is wrong with it, for each thing that is.
func (t *Tariff) Check(fault func(key, text string)) {
	if t.Code == "" || len(t.Code) > 32 {
		fault("code", "须有 1 至 32 字节的代码 / a code of 1 to 32 bytes is needed")
	}
	if !t.Per.Known() {
		fault("per", "须有计价单位 / the unit of the price is needed: L, t, min, h, day, kWh, use")
		return
	}
	if t.Price < 0 || t.Price > MaxPrice {
		fault("price", "单价须在 0 至 1,000 元 / a price is 0 to 1,000 yuan")
	}
	if len(t.Steps) > MaxSteps {
		fault("steps", "至多 16 档 / at most 16 steps")
	}
	last := uint32(0)
	for _, s := range t.Steps {
		if s.Above <= last || uint64(s.Above) > MaxReading/t.Per.Size() {
			fault("steps", "各档起点须递增且在量程内 / each step begins above the one before and within what a meter reads")
			break
		}
		last = s.Above
		if s.Price < 0 || s.Price > MaxPrice {
			fault("steps", "单价须在 0 至 1,000 元 / a price is 0 to 1,000 yuan")
		}
	}
	if t.Bill > MaxReading>>8 || t.Minimum > MaxReading>>8 {
		fault("minimum", "计费单位与最低计费量过大 / the billing unit or the minimum is too large")
	}
	if t.Most < 0 || t.Most > 1_000_000_00 {
		fault("most", "封顶须在 0 至一百万元 / a cap is 0 to one million yuan")
	}
	if t.Rounding > Down {
		fault("rounding", "未知的取整方式 / unknown rounding")
	}
}
