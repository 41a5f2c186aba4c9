"""The stand-in for OutboundBot, which calls people.

service      the HTTP endpoint, and its faults
protocol     Alibaba Cloud's RPC style and the signature of its requests
actions      the service's actions (CreateJobGroup, AssignJobs, ListJobs ...)
documents    jobs and groups as the actions return them
calls        job groups, jobs, contacts, and how calls end
lines        the telephone lines: which job is called when
recordings   recordings of calls, behind signed links
"""
