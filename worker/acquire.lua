-- Take the lease of a feed when nobody holds it.
-- KEYS  1 lease  2 fence  3 state      ARGV  1 owner  2 ttl_ms
-- Returns {token, tries} or {}: `tries` counts how often the feed was taken without the cursor moving since, which
-- is how an entry that kills its worker is found out.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return {}
end
local token = redis.call('INCR', KEYS[2])
local lease = cjson.encode({owner = ARGV[1], token = token})
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
local tries = redis.call('HINCRBY', KEYS[3], 'tries', 1)
return {token, tries, lease}
