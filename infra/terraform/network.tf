# One network: a subnet for nodes, and one for the private endpoints of what they use.
#
# Nodes have no public address. They go out by a NAT gateway, and where they may go to says the
# security group: nowhere but to Azure's own services.

resource "azurerm_virtual_network" "grid" {
  name                = local.name
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  address_space       = [var.address_space]
  tags                = local.tags
}

resource "azurerm_subnet" "nodes" {
  name                            = "nodes"
  resource_group_name             = azurerm_resource_group.grid.name
  virtual_network_name            = azurerm_virtual_network.grid.name
  address_prefixes                = [cidrsubnet(var.address_space, 1, 0)]
  default_outbound_access_enabled = false

  # Without private endpoints these are how the firewalls of storage and vault know our nodes.
  dynamic "service_endpoint" {
    for_each = var.private_endpoints ? [] : ["Microsoft.KeyVault", "Microsoft.Storage"]
    content {
      service = service_endpoint.value
    }
  }
}

resource "azurerm_subnet" "endpoints" {
  count                           = var.private_endpoints ? 1 : 0
  name                            = "endpoints"
  resource_group_name             = azurerm_resource_group.grid.name
  virtual_network_name            = azurerm_virtual_network.grid.name
  address_prefixes                = [cidrsubnet(var.address_space, 2, 2)]
  default_outbound_access_enabled = false
}

locals {
  # Redis listens on 10000, and the nodes of its cluster on 8500 to 8599.
  outward = {
    batch    = { priority = 100, to = "BatchNodeManagement.${var.location}", ports = ["443"] }
    storage  = { priority = 110, to = "Storage.${var.location}", ports = ["443"] }
    registry = { priority = 120, to = "AzureContainerRegistry", ports = ["443"] }
    images   = { priority = 130, to = "MicrosoftContainerRegistry", ports = ["443"] }
    front    = { priority = 140, to = "AzureFrontDoor.FirstParty", ports = ["443"] }
    monitor  = { priority = 150, to = "AzureMonitor", ports = ["443"] }
    entra    = { priority = 160, to = "AzureActiveDirectory", ports = ["443"] }
    vault    = { priority = 170, to = "AzureKeyVault.${var.location}", ports = ["443"] }
    inside   = { priority = 180, to = "VirtualNetwork", ports = ["443", "10000", "8500-8599"] }
  }
  # A public Redis has no service tag of its own.
  outward_redis = var.private_endpoints ? {} : {
    redis = { priority = 190, to = "AzureCloud.${var.location}", ports = ["10000", "8500-8599"] }
  }
}

resource "azurerm_network_security_group" "nodes" {
  name                = "${local.name}-nodes"
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  tags                = local.tags
}

resource "azurerm_network_security_rule" "outward" {
  for_each                    = merge(local.outward, local.outward_redis)
  name                        = "to-${each.key}"
  resource_group_name         = azurerm_resource_group.grid.name
  network_security_group_name = azurerm_network_security_group.nodes.name
  direction                   = "Outbound"
  access                      = "Allow"
  priority                    = each.value.priority
  protocol                    = "Tcp"
  source_address_prefix       = "VirtualNetwork"
  source_port_range           = "*"
  destination_address_prefix  = each.value.to
  destination_port_ranges     = each.value.ports
}

resource "azurerm_network_security_rule" "nothing_else" {
  for_each                    = { Inbound = 4096, Outbound = 4096 }
  name                        = "nothing-else-${lower(each.key)}"
  resource_group_name         = azurerm_resource_group.grid.name
  network_security_group_name = azurerm_network_security_group.nodes.name
  direction                   = each.key
  access                      = "Deny"
  priority                    = each.value
  protocol                    = "*"
  source_address_prefix       = "*"
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = "*"
}

resource "azurerm_subnet_network_security_group_association" "nodes" {
  subnet_id                 = azurerm_subnet.nodes.id
  network_security_group_id = azurerm_network_security_group.nodes.id
}

resource "azurerm_public_ip" "outward" {
  name                = "${local.name}-outward"
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway" "outward" {
  name                = local.name
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  sku_name            = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "outward" {
  nat_gateway_id       = azurerm_nat_gateway.outward.id
  public_ip_address_id = azurerm_public_ip.outward.id
}

resource "azurerm_subnet_nat_gateway_association" "nodes" {
  subnet_id      = azurerm_subnet.nodes.id
  nat_gateway_id = azurerm_nat_gateway.outward.id
}

resource "azurerm_virtual_network_peering" "to" {
  for_each                  = var.peer_vnets
  name                      = "to-${each.key}"
  resource_group_name       = azurerm_resource_group.grid.name
  virtual_network_name      = azurerm_virtual_network.grid.name
  remote_virtual_network_id = each.value
}
