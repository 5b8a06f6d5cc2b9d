"""Consumers as one: how many there are, and how there come to be more or fewer.

``consumers.Consumers`` is what a controller works with: ``count`` and ``set``. ``local`` and
``batch`` offer it for processes on this machine and tasks on Azure Batch.
"""
