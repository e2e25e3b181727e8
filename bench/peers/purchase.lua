#!lua name=onecard
-- A purchase as an engineer at home in Redis would write it: one function, one hash for a card with its purse and its day's counters, one
-- key for an answer that must be given again, one list for the journal with both legs. Codes are those of ISO 8583 DE 39.
--
-- KEYS: answer of (terminal, batch, trace), terminal, card, journal, references. ARGV: amount, day as YYYYMMDD, what the request says as text.
redis.register_function('purchase', function(keys, argv)
	local known = redis.call('GET', keys[1])
	if known then
		local said, answer = string.match(known, '^([^|]*)|(.*)$')
		return said == argv[3] and answer or '94'
	end
	local shop = redis.call('HMGET', keys[2], 'merchant', 'open')
	local amount, code, balance = tonumber(argv[1]), '00', 0
	local c
	if shop[2] ~= '1' then
		code = '03'
	else
		c = redis.call('HMGET', keys[3], 'state', 'expires', 'balance', 'counted', 'day_count', 'day_amount', 'most_count', 'most_amount', 'holder')
		if not c[1] then
			code = '14'
		else
			balance = tonumber(c[3])
			local count, spent = tonumber(c[5]), tonumber(c[6])
			if c[4] ~= argv[2] then count, spent = 0, 0 end
			if c[1] ~= '0' then code = '62'
			elseif c[2] < argv[2] then code = '54'
			elseif count >= tonumber(c[7]) then code = '65'
			elseif spent + amount > tonumber(c[8]) then code = '61'
			elseif balance < amount then code = '51'
			else
				balance = balance - amount
				redis.call('HSET', keys[3], 'balance', balance, 'counted', argv[2], 'day_count', count + 1, 'day_amount', spent + amount)
				redis.call('HINCRBY', 'merchants', shop[1], amount)
			end
		end
	end
	local reference = redis.call('INCR', keys[5])
	if code == '00' then
		redis.call('RPUSH', keys[4], reference .. '|' .. c[9] .. '|' .. amount .. '|0|' .. shop[1] .. '|0|' .. amount .. '|' .. argv[3])
	end
	local answer = code .. '|' .. reference .. '|' .. balance
	redis.call('SET', keys[1], argv[3] .. '|' .. answer)
	return answer
end)
