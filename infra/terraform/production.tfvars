# Reached from our own network alone: peer yours with peer_vnets. Say alert_emails and a budget too.

private_endpoints       = true
purge_protection        = true
redis_sku               = "MemoryOptimized_M10"
redis_high_availability = true
redis_append_only       = true
storage_replication     = "ZRS"
bulk_vm_size            = "Standard_D16s_v5"
bulk_nodes              = 50
bulk_dedicated          = 10
realtime_vm_size        = "Standard_D8s_v5"
realtime_nodes          = 2
logs_days               = 90
results_days            = 365
telemetry_days          = 90
telemetry_gb_a_day      = 10
