"""Outbound-call campaigns: leads called through Alibaba Cloud OutboundBot, their pages, recordings and follow-ups."""
