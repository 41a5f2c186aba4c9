"""Outbound-call campaigns: leads called by Alibaba Cloud OutboundBot, their pages, recordings and follow-ups."""
