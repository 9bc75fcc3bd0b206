"""How well a system finds versions: rankings, pairs, pools, intervals, and the queries to try it with.

Definitions, all per recording:

===========  =====================================================================================================
MAP          mean average precision over the full list, divided by the relevant references in the database
MAP@10       the same over the first ten only, divided by the most that ten places can hold
MRR, MR1     mean of 1 / rank, and mean rank, of the first relevant reference (1 is best)
Top1         queries whose first reference is relevant
MNIT10       mean number of relevant references among the first ten; P@10 is a tenth of it
NAR          100 × mean share of the other references that stand above a relevant one (0 is perfect)
EER          where false accepts equal false rejects, over all pairs of a query and another recording
ACC_top1     Top1; ACC_pair: pairs decided rightly at the threshold of the EER
===========  =====================================================================================================

A query's own recording is never ranked; a query without another version in the database is left out; of equal
scores, those of relevant references come last.
"""
