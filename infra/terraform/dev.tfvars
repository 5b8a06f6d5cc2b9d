# Cheap, and to be thrown away: no private endpoints, no replica, nodes only while there is work.
# Everything still asks for Entra ID. Name your own address in allowed_ips to shut out the others.

private_endpoints       = false
purge_protection        = false
redis_sku               = "Balanced_B1"
redis_high_availability = false
redis_append_only       = false
storage_replication     = "LRS"
bulk_vm_size            = "Standard_D4s_v5"
bulk_nodes              = 4
bulk_dedicated          = 1
realtime_vm_size        = "Standard_D2s_v5"
realtime_nodes          = 0
logs_days               = 7
results_days            = 31
telemetry_gb_a_day      = 1
