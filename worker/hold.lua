-- Hold a right for a while, prolong it, or let it go.
-- KEYS  1 holder      ARGV  1 owner  2 ttl_ms (0 lets go)
-- Returns 1 when the owner holds it (held it, when letting go).
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 1
