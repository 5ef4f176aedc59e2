"""Tells people who are away from the desk: robots of WeCom, DingTalk and Feishu, and all else that apprise knows."""
