# Logs and results in Blob Storage. Nobody has a key to it: Entra ID alone.

resource "azurerm_storage_account" "grid" {
  name                             = local.plain
  location                         = azurerm_resource_group.grid.location
  resource_group_name              = azurerm_resource_group.grid.name
  account_tier                     = "Standard"
  account_replication_type         = var.storage_replication
  account_kind                     = "StorageV2"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  public_network_access_enabled    = local.public
  tags                             = local.tags

  network_rules {
    default_action = local.open ? "Allow" : "Deny"
    bypass         = ["AzureServices"]
    # It takes an address alone, where a vault asks for a range.
    ip_rules                   = [for ip in var.allowed_ips : trimsuffix(ip, "/32")]
    virtual_network_subnet_ids = var.private_endpoints ? [] : [azurerm_subnet.nodes.id]
  }

  blob_properties {
    delete_retention_policy {
      days = 7
    }
    container_delete_retention_policy {
      days = 7
    }
  }
}

locals {
  # Whether the public endpoints of storage, vault and Batch take anybody, and whether from anywhere.
  public = !var.private_endpoints || length(var.allowed_ips) > 0
  open   = !var.private_endpoints && length(var.allowed_ips) == 0
}

resource "azurerm_storage_container" "logs" {
  name                  = "logs"
  storage_account_id    = azurerm_storage_account.grid.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "results" {
  name                  = "results"
  storage_account_id    = azurerm_storage_account.grid.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "grid" {
  storage_account_id = azurerm_storage_account.grid.id

  rule {
    name    = "logs"
    enabled = true
    filters {
      # Consumers append to theirs; Batch uploads those of its own as blocks.
      blob_types   = ["appendBlob", "blockBlob"]
      prefix_match = ["${azurerm_storage_container.logs.name}/"]
    }
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = var.logs_days
      }
    }
  }

  rule {
    name    = "results"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${azurerm_storage_container.results.name}/"]
    }
    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = 30
        delete_after_days_since_modification_greater_than       = var.results_days
      }
    }
  }
}
