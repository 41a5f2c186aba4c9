"""template.yaml on this machine.

template     the template read: what CloudFormation makes, and what the stack does itself
model        what the stack takes from it: functions, event sources, schedules, routes
intrinsics   CloudFormation's functions (Ref, Sub, If ...), as far as parameters decide them
openapi      the HTTP API within the translated template
parameters   the values of its parameters, and the secrets they name
deployment   the CloudFormation stack made of it
"""
