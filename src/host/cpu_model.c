/* Named models as sets, and the choice of the one that describes a CPU best.
 *
 * The choice weighs a feature that must be taken away twice as heavy as one that must be added: a guest's
 * operating system is more often surprised by a model that lacks something than by one that has more. Models
 * sold under the processor's own signature come first, unless most of them had to be taken away. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cpu"
#include <stdio.h>
#include <string.h>

#include "host/cpu_models.h"
#include "host/cpu_private.h"

#define DISABLED_WEIGHT 2

static CpuModel *models;

const CpuModel *cpu_models(size_t *ret_count)
{
    *ret_count = cpu_model_rows_count;
    if (models)
        return models;
    models = g_new0(CpuModel, cpu_model_rows_count);
    for (size_t i = 0; i < cpu_model_rows_count; i++) {
        const CpuModelRow *row = &cpu_model_rows[i];
        models[i].name = row->name;
        models[i].vendor = row->vendor;
        models[i].signatures = row->signatures;
        models[i].only_understood = row->only_understood;
        cpu_set_add_names(&models[i].features, row->features);
        cpu_set_add_names(&models[i].removed, row->removed);
    }
    return models;
}

void cpu_models_reset(void)
{
    g_clear_pointer(&models, g_free);
}

const CpuModel *cpu_model_find(const char *name)
{
    size_t count;
    const CpuModel *all = cpu_models(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    return NULL;
}

static bool cpu_model_has_signature(const CpuModel *model, unsigned family, unsigned number,
                                    unsigned stepping)
{
    g_auto(GStrv) words = g_strsplit(model->signatures, " ", -1);
    for (char **word = words; *word; word++) {
        unsigned f, m, first = 0, last = UINT32_MAX;
        int n = sscanf(*word, "%u/%u/%u-%u", &f, &m, &first, &last);
        if (n >= 2 && f == family && m == number && stepping >= first && stepping <= last)
            return true;
    }
    return false;
}

void cpu_model_compare(const CpuModel *model, const CpuSet *data, CpuSet *ret_require, CpuSet *ret_disable)
{
    CpuSet all = cpu_set_or(&model->features, &model->removed);
    *ret_require = cpu_set_minus(data, &model->features);
    *ret_disable = cpu_set_minus(&all, data);
}

static bool has_signature(const CpuModel *model, const CpuSignature *signature)
{
    return signature->family &&
           cpu_model_has_signature(model, signature->family, signature->model, signature->stepping);
}

const CpuModel *cpu_model_choose(const CpuSet *data, const char *vendor, const CpuSignature *signature,
                                 CpuDecodeMode mode)
{
    size_t count;
    const CpuModel *all = cpu_models(&count), *best = NULL;
    unsigned best_cost = UINT32_MAX;
    bool best_is_signed = false;
    for (size_t i = 0; i < count; i++) {
        const CpuModel *model = &all[i];
        if (model->only_understood || (vendor && model->vendor && strcmp(vendor, model->vendor) != 0))
            continue;
        CpuSet require, disable;
        cpu_model_compare(model, data, &require, &disable);
        CpuSet lacking = cpu_set_minus(&model->features, data);
        if (mode == CPU_DECODE_HOST && !cpu_set_is_empty(&lacking))
            continue;
        bool is_signed = signature && has_signature(model, signature) &&
                         2 * cpu_set_count(&disable) <= cpu_set_count(&model->features);
        unsigned cost = cpu_set_count(&require) + DISABLED_WEIGHT * cpu_set_count(&disable);
        /* of two that are as good, the one made for this vendor */
        bool wins_tie = best && cost == best_cost && vendor && model->vendor && !best->vendor;
        if (is_signed < best_is_signed || (is_signed == best_is_signed && cost >= best_cost && !wins_tie))
            continue;
        best = model;
        best_cost = cost;
        best_is_signed = is_signed;
    }
    return best ? best : cpu_model_find("486");
}

bool cpu_model_is_known(const char *name)
{
    return cpu_model_find(name) != NULL;
}

bool cpu_feature_is_known(const char *name)
{
    return cpu_feature_find(name) >= 0;
}

const char *cpu_feature_for_qemu(const char *name)
{
    int i = cpu_feature_find(name);
    return i >= 0 && cpu_features[i].qemu_name ? cpu_features[i].qemu_name : name;
}

void cpu_each_removed(const char *name, void (*func)(void *arg, const char *name), void *arg)
{
    const CpuModel *model = cpu_model_find(name);
    for (size_t i = 0; model && i < cpu_features_count; i++) {
        if (cpu_set_has(&model->removed, i))
            func(arg, cpu_features[i].name);
    }
}
