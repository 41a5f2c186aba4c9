"""Outbound-call campaigns: leads called by Alibaba Cloud OutboundBot, their pages, recordings and follow-ups."""

from longhaul import imports as imports  # before all else: a cold start imports less
