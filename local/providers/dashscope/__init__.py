"""DashScope's asynchronous jobs: pictures and clips, by Alibaba Cloud's protocol.

service   the HTTP endpoint
jobs      jobs, which take their time
footage   the files that they make: real PNG and MP4, small, and the same for the same prompt
"""
