"""IAM on this machine: each AWS call of a function, a state machine or a poller is checked against its role's policies.

policies     roles as the template gives them, and how their statements match
credentials  the temporary credentials of each role
requests     what a request to AWS needs: actions and resources, a table for each service
refusals     AccessDenied in each protocol, with the statement that is missing
guard        the check before the local AWS, and the record of grants that were used
grants       `python -m local grants`: the grants that nothing used
"""
