-- Publish one event that belongs to no feed, once: whoever comes first sets the guard.
-- KEYS  1 guard  2 events  3 events:seq
-- ARGV  1 guard ttl_s  2 type  3 JSON before its seq  4 JSON after its seq  5 events kept
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then
  return 0
end
local seq = redis.call('INCR', KEYS[3])
local json = ARGV[3] .. string.format('%d', seq) .. ARGV[4]
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'seq', seq, 'feed', '', 'type', ARGV[2], 'json', json)
return seq
