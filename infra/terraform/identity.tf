# Who may do what, and no more.
#
# Consumers act as one identity, nodes pull the image as another. A process on a node could ask for
# either; apart, each right still says whose it is, and can be taken away by itself.

resource "azurerm_user_assigned_identity" "consumer" {
  name                = "${local.name}-consumer"
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  tags                = local.tags
}

resource "azurerm_user_assigned_identity" "registry" {
  name                = "${local.name}-registry"
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  tags                = local.tags
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.grid.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.registry.principal_id
  principal_type       = "ServicePrincipal"
}

locals {
  # Consumers write logs and results, send telemetry, and read secrets if there are any.
  consumer_rights = {
    logs      = { scope = azurerm_storage_container.logs.id, role = "Storage Blob Data Contributor" }
    results   = { scope = azurerm_storage_container.results.id, role = "Storage Blob Data Contributor" }
    telemetry = { scope = azurerm_application_insights.grid.id, role = "Monitoring Metrics Publisher" }
    secrets   = { scope = azurerm_key_vault.grid.id, role = "Key Vault Secrets User" }
  }
  controller_rights = var.controller_on_pool ? {
    tasks = { scope = azurerm_batch_account.grid.id, role = "Azure Batch Job Submitter" }
  } : {}

  # Operators run jobs and pools, read all that is written, put secrets, and build the image.
  operator_rights = {
    logs      = { scope = azurerm_storage_container.logs.id, role = "Storage Blob Data Reader" }
    results   = { scope = azurerm_storage_container.results.id, role = "Storage Blob Data Contributor" }
    telemetry = { scope = azurerm_application_insights.grid.id, role = "Monitoring Metrics Publisher" }
    reading   = { scope = azurerm_resource_group.grid.id, role = "Monitoring Reader" }
    secrets   = { scope = azurerm_key_vault.grid.id, role = "Key Vault Secrets Officer" }
    batch     = { scope = azurerm_batch_account.grid.id, role = "Azure Batch Data Contributor" }
    build     = { scope = azurerm_container_registry.grid.id, role = "Container Registry Tasks Contributor" }
    push      = { scope = azurerm_container_registry.grid.id, role = "AcrPush" }
  }
  operator_assignments = {
    for pair in setproduct(keys(local.operator_rights), local.operators) :
    "${pair[0]}/${pair[1]}" => { right = local.operator_rights[pair[0]], operator = pair[1] }
  }
}

resource "azurerm_role_assignment" "consumer" {
  for_each             = merge(local.consumer_rights, local.controller_rights)
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.consumer.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "operator" {
  for_each             = local.operator_assignments
  scope                = each.value.right.scope
  role_definition_name = each.value.right.role
  principal_id         = each.value.operator
}
