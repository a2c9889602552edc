/* The registry of machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_host.h"

TEST_FIBER(a_machine_is_found_by_name_uuid_and_id)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    g_autoptr(Error) err = NULL;
    Vm *found = vm_find_by_name(made.host, "a", &err);
    check(found == vm);
    vm_unref(found);
    found = vm_find_by_uuid(made.host, vm_uuid(vm), NULL, &err);
    check(found == vm);
    vm_unref(found);
    check(!vm_find_by_id(made.host, 4, &err));
    check_str(error_message(err), "no domain with matching id 4");
    g_clear_pointer(&err, error_free);
    object_set_id(&vm->object, 4);
    found = vm_find_by_id(made.host, 4, &err);
    check(found == vm);
    vm_unref(found);
    object_set_name(&vm->object, "b");
    check(!vm_find_by_name(made.host, "a", &err));
    check_eq(error_code(err), ERROR_NO_DOMAIN);
    check((Vm *)registry_get_name(vm_registry(made.host), "b") == vm);
    object_unregister(&vm->object);
    check(!(Vm *)registry_get_name(vm_registry(made.host), "b") &&
          !(Vm *)registry_get_uuid(vm_registry(made.host), vm_uuid(vm)));
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST_FIBER(a_list_has_running_machines_first_and_heeds_filters)
{
    TestHost made = test_host_make();
    const char *const names[] = { "c", "a", "b", "z" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        vm_unref(test_vm_make(made.host, names[i]));
    object_set_id(registry_get_name(vm_registry(made.host), "z"), 7);
    ((Vm *)registry_get_name(vm_registry(made.host), "z"))->live = domain_def_new();
    registry_get_name(vm_registry(made.host), "b")->autostart = true;
    static const struct {
        unsigned flags;
        const char *expected;
    } cases[] = { { 0, "zabc" }, { 1, "z" },       { 2, "abc" },       { 3, "zabc" },  { 4, "zabc" },
                  { 8, "" },     { 1 << 10, "b" }, { 1 << 11, "zac" }, { 64, "zabc" }, { 1 << 12, "" } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) vms = NULL;
        g_autoptr(Error) err = NULL;
        GString *text = g_string_new(NULL);
        check_ok(vm_list(made.host, cases[i].flags, &vms, &err), err);
        for (guint n = 0; n < vms->len; n++)
            g_string_append(text, vm_name(g_ptr_array_index(vms, n)));
        check_case(cases[i].expected);
        check_str(text->str, cases[i].expected);
        g_string_free(text, TRUE);
    }
    g_autoptr(Error) err = NULL;
    GPtrArray *none = NULL;
    check_fails(vm_list(made.host, 1u << 16, &none, &err), err, ERROR_INVALID_ARGUMENT);
    test_host_clear(&made);
}

TEST_FIBER(a_name_or_uuid_of_another_machine_is_refused)
{
    TestHost made = test_host_make();
    g_autoptr(Vm) vm = test_vm_make(made.host, "a");
    g_autoptr(DomainDef) def = domain_def_copy(vm->config);
    g_autoptr(Error) err = NULL;
    Object *known = NULL;
    check_ok(object_check_identity(vm_registry(made.host), def->name, &def->uuid, &known, &err), err);
    check(known == &vm->object);
    uuid_generate(&def->uuid);
    check_fails(object_check_identity(vm_registry(made.host), def->name, &def->uuid, &known, &err), err,
                ERROR_OPERATION_FAILED);
    def->uuid = *vm_uuid(vm);
    g_free(def->name);
    def->name = g_strdup("other");
    check_fails(object_check_identity(vm_registry(made.host), def->name, &def->uuid, &known, &err), err,
                ERROR_OPERATION_FAILED);
    object_unregister(&vm->object);
    g_clear_pointer(&vm, vm_unref);
    test_host_clear(&made);
}

TEST(directory_names_are_short)
{
    static const struct {
        int id;
        const char *name, *expected;
    } cases[] = { { 1, "web", "domain-1-web" },
                  { -1, "web", "domain--1-web" },
                  { 3, "a b;c$(x)", "domain-3-a b;c$(x)" },
                  { 3, "a/b\nc", "domain-3-abc" },
                  { 2, "0123456789012345678901234567890", "domain-2-01234567890123456789" } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = vm_short_dir_name(cases[i].id, cases[i].name);
        check_str(text, cases[i].expected);
    }
}
