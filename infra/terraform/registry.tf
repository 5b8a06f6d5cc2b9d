# Where the image lies. Nodes pull it by managed identity; there is no admin user.

resource "azurerm_container_registry" "grid" {
  name                          = local.plain
  location                      = azurerm_resource_group.grid.location
  resource_group_name           = azurerm_resource_group.grid.name
  sku                           = var.private_endpoints ? "Premium" : "Basic" # Premium alone has private endpoints.
  admin_enabled                 = false
  public_network_access_enabled = var.registry_public
  tags                          = local.tags
}
