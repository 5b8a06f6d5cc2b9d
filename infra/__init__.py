"""What starts, scales and stops consumers, on this machine or on Azure Batch."""
