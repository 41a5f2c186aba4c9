"""E-mail: how tasks ended, told to those who confirmed that they want to know.

mail queue -> collect_notices -> a row for each recipient -> send_mail -> SES
serve_recipients: who is told; and the pages behind the links of a mail
"""

from longhaul import imports as imports  # before all else: a cold start imports less
