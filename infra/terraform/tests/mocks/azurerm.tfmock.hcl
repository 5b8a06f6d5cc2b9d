# What Azure would have made up, in the form that the provider itself checks.

mock_data "azurerm_client_config" {
  defaults = {
    tenant_id       = "11111111-1111-1111-1111-111111111111"
    subscription_id = "22222222-2222-2222-2222-222222222222"
    object_id       = "33333333-3333-3333-3333-333333333333"
  }
}

mock_resource "azurerm_resource_group" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g" }
}

mock_resource "azurerm_virtual_network" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n" }
}

mock_resource "azurerm_subnet" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s" }
}

mock_resource "azurerm_network_security_group" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n" }
}

mock_resource "azurerm_public_ip" {
  defaults = {
    id         = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/p"
    ip_address = "198.51.100.7"
  }
}

mock_resource "azurerm_nat_gateway" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Network/natGateways/n" }
}

mock_resource "azurerm_private_dns_zone" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z" }
}

mock_resource "azurerm_managed_redis" {
  defaults = {
    id       = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Cache/redisEnterprise/r"
    hostname = "grid.westeurope.redis.azure.net"
    # Of the block the provider adds the port.
    default_database = { port = 10000 }
  }
}

mock_resource "azurerm_storage_account" {
  defaults = {
    id                    = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/s"
    primary_blob_endpoint = "https://grid.blob.core.windows.net/"
  }
}

mock_resource "azurerm_storage_container" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/s/blobServices/default/containers/c" }
}

mock_resource "azurerm_container_registry" {
  defaults = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
    login_server = "grid.azurecr.io"
  }
}

mock_resource "azurerm_key_vault" {
  defaults = {
    id        = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
    vault_uri = "https://grid.vault.azure.net/"
  }
}

mock_resource "azurerm_batch_account" {
  defaults = {
    id               = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/b"
    account_endpoint = "grid.westeurope.batch.azure.com"
  }
}

mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    id           = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
    client_id    = "44444444-4444-4444-4444-444444444444"
    principal_id = "55555555-5555-5555-5555-555555555555"
  }
}

mock_resource "azurerm_log_analytics_workspace" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w" }
}

mock_resource "azurerm_application_insights" {
  defaults = {
    id                = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Insights/components/i"
    connection_string = "InstrumentationKey=66666666-6666-6666-6666-666666666666;IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/"
  }
}

mock_resource "azurerm_monitor_action_group" {
  defaults = { id = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g/providers/Microsoft.Insights/actionGroups/a" }
}
