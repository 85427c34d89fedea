rule prepare_dataset:
    input:
        data_there("generation"),
    output:
        f"{SCALE.data_folder}/manifest.json",
        expand(f"{SCALE.data_folder}/{{split}}_{{kind}}.npy", split=["train", "heldout"], kind=["images", "labels"]),
    log:
        f"logs/{SCALE_NAME}/prepare_dataset.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("prepare_dataset", SCALE)._asdict(),
    params:
        dataset=SCALE.dataset,
        resolution=SCALE.resolution,
        path=option("path", SCALE.dataset_path),
        data=subpath(output[0], parent=True),
        code=code_digest("data.preparation:prepare"),
    shell:
        "python -m an prepare --dataset {params.dataset:q} --resolution {params.resolution:q} {params.path:q}"
        " --data {params.data:q} &> {log:q}"


PHOTOGRAPHS = SCALE.inpainting.data_folder


rule prepare_photographs:
    input:
        data_there("inpainting"),
    output:
        f"{PHOTOGRAPHS}/manifest.json",
        expand(f"{PHOTOGRAPHS}/{{array}}.npy", array=["train_pixels", "train_table", "heldout_images", "heldout_mask"]),
    log:
        f"logs/{SCALE_NAME}/prepare_photographs.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("prepare_photographs", SCALE)._asdict(),
    params:
        dataset=SCALE.inpainting.dataset,
        resolution=SCALE.inpainting.resolution,
        crops=SCALE.inpainting.test_crops,
        path=option("path", SCALE.inpainting.dataset_path),
        data=subpath(output[0], parent=True),
        code=code_digest("data.crop_preparation:prepare_crops"),
    shell:
        "python -m an prepare-photographs --dataset {params.dataset:q} --resolution {params.resolution:q}"
        " --test-crops {params.crops:q} {params.path:q} --data {params.data:q} &> {log:q}"
