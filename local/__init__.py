"""The whole stack on one machine: no Docker, no AWS account, no root. Start it with `python -m local up`.

It reads template.yaml and runs what that declares, each part behaving as in the cloud:

template/    the template, read and deployed to the local AWS by CloudFormation
aws/         the AWS services: moto in a process of its own, with what it lacks (event sources, EventBridge, quotas)
runtime/     AWS Lambda: the processes of each function
gateway/     API Gateway: HTTP, tokens, throttles
providers/   stand-ins for the language models and the telephone service
demo/        the demos, one module a workload

stack        the supervisor, which starts all parts and stops them
deploying    the process that deploys the template and ends with it
services     the parts that are processes of their own; processes.py starts them
database     the embedded database, or the one that DATABASE_URL names
options      how a stack runs; machine.py is what it needs of the machine
running      a stack run from Python: for the demos and the tests
logs         the functions' log files

Two modules are for deploying to AWS: `environments` (the arguments of `sam deploy`) and `trimming` (the vendor layer).
"""
