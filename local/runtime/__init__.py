"""AWS Lambda on this machine.

runtime    all functions: Invoke, asynchronous events, and the stack's control endpoint
pool       the processes of one function, started on demand; a changed source file replaces them
worker     one process, under AWS's own runtime client
nursery    where processes come from: forked from one that has imported the packages (`forking` runs there)
limits     what Lambda limits, and the errors with which it refuses
api        Lambda's Runtime API for one process, and what an invocation results in
"""
