/* The host check runs everywhere and says something useful about each thing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "host/cpu.h"
#include "host/doctor.h"
#include "host/kvm_probe.h"
#include "host/node.h"

TEST(every_check_has_a_finding_and_a_problem_has_advice)
{
    char *root = check_make_dir();
    g_autoptr(GPtrArray) rows = doctor_run(root);
    check(rows->len >= 20);
    for (unsigned i = 0; i < rows->len; i++) {
        const DoctorRow *row = g_ptr_array_index(rows, i);
        check_case(row->name);
        check(row->detail && *row->detail);
        check(row->status < DOCTOR_STATUS_COUNT);
        check(!strchr(row->detail, '\n'));
        if (row->status != DOCTOR_OK && strcmp(row->name, "kvm-run") != 0)
            check(row->advice && *row->advice);
        for (unsigned k = 0; k < i; k++)
            check(strcmp(((DoctorRow *)g_ptr_array_index(rows, k))->name, row->name) != 0);
    }
    check(doctor_worst(rows) < DOCTOR_STATUS_COUNT);
    check_remove_dir(root);
    cpu_host_reset();
    node_reset();
}

TEST(the_kvm_test_ends_and_says_where)
{
    KvmProbe probe;
    kvm_probe(&probe);
    check(probe.passed <= KVM_STAGE_COUNT);
    check_eq(probe.passed == KVM_STAGE_COUNT, probe.problem[0] == '\0');
    check(*kvm_stage_name(probe.passed));
}
