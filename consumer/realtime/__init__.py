"""The roles of a consumer that serve the realtime lane, beside those that serve jobs (G9).

They share nothing with bulk that bulk could keep busy: calls are taken by readers of their own and
priced in slots of their own, ahead of bulk's threads in the system's eyes.
"""
