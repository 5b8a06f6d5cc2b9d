# Each variable, given what it does not take: refused before anything is planned. Many in one run:
# each of those named has to fail.

mock_provider "azurerm" {
  source = "./tests/mocks"
}

variables {
  subscription = "22222222-2222-2222-2222-222222222222"
}

run "refused_1" {
  command = plan
  variables {
    subscription          = "mine"
    name                  = "my-grid"
    location              = "West Europe"
    operators             = ["me@example.com"]
    deployers             = ["me"]
    former_operators      = ["you"]
    address_space         = "10.0.0.0/26"
    allowed_ips           = ["203.0.113"]
    peer_vnets            = { office = "office" }
    redis_sku             = "Premium_P1"
    bulk_vm_size          = "D8as_v5"
    bulk_slots            = 0
    bulk_nodes            = 0
    realtime_vm_size      = "Standard_DS3_v2"
    realtime_slots        = 257
    realtime_nodes        = -1
    image_tag             = "azfinsim:1"
    storage_replication   = "GRS"
    logs_days             = 0
    results_days          = 30
    telemetry_days        = 31
    telemetry_gb_a_day    = 0
    alert_emails          = ["nobody"]
    alert_backlog_minutes = 0
    alert_realtime_ms     = 0
  }
  expect_failures = [
    var.subscription,
    var.name,
    var.location,
    var.operators,
    var.deployers,
    var.former_operators,
    var.address_space,
    var.allowed_ips,
    var.peer_vnets,
    var.redis_sku,
    var.bulk_vm_size,
    var.bulk_slots,
    var.bulk_nodes,
    var.realtime_vm_size,
    var.realtime_slots,
    var.realtime_nodes,
    var.image_tag,
    var.storage_replication,
    var.logs_days,
    var.results_days,
    var.telemetry_days,
    var.telemetry_gb_a_day,
    var.alert_emails,
    var.alert_backlog_minutes,
    var.alert_realtime_ms,
  ]
}

run "refused_2" {
  command = plan
  variables {
    subscription     = "22222222-2222-2222-2222-22222222222X"
    name             = "averylongname1"
    address_space    = "10.0.0.0"
    bulk_vm_size     = "Standard_D4_v2"
    bulk_slots       = 1.5
    bulk_nodes       = 1001
    realtime_vm_size = "Standard_E4ps_v5"
    budget           = -1
  }
  expect_failures = [
    var.subscription,
    var.name,
    var.address_space,
    var.bulk_vm_size,
    var.bulk_slots,
    var.bulk_nodes,
    var.realtime_vm_size,
    var.budget,
  ]
}

run "refused_3" {
  command = plan
  variables {
    bulk_vm_size   = "Standard_D8pds_v5"
    bulk_dedicated = 11
    budget         = 10
  }
  expect_failures = [
    var.bulk_vm_size,
    var.bulk_dedicated,
    var.budget,
  ]
}

run "registry_public" {
  command = plan
  variables {
    registry_public   = false
    private_endpoints = false
  }
  expect_failures = [var.registry_public]
}
