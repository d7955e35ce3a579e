"""Features and gradients of other implementations of vision transformers, for bench/backbones.ts.

backbones.py timm FOLDER SPEC...: a SPEC is a name in timm, optionally with changed arguments, as in
`vit_small_patch16_224:depth=2,img_size=[64,96]`. All parameters are randomized: gains and layer scales from U(0.5, 1.5), all
others from N(0, 0.05). For the SPEC with index I, FOLDER/I.safetensors and I.pth hold the state, I.json the arguments of the
model, and I.reference.safetensors images, features, a cotangent and the gradients, computed in float64. `file_size` creates
the state for another image size, which timm then resamples.

backbones.py huggingface FOLDER SPEC...: the same, without gradients, for classes of Hugging Face (see HUGGING_FACE).
"""

import functools
import inspect
import json
import os
import re
import sys

try:
    import cpu_torchvision  # noqa: F401
    import timm
    import torch
    from safetensors.torch import save_file
    from timm.models import deit, eva, vision_transformer
except ImportError as error:
    print(f"absent: {error}")
    sys.exit(77)

CLASSES = {
    "VisionTransformer": vision_transformer.VisionTransformer,
    "VisionTransformerDistilled": deit.VisionTransformerDistilled,
    "Eva": eva.Eva,
}
captured = {}


def capture(cls):
    """Makes the constructor of a class record its arguments in `captured`, unless a subclass calls it."""
    original = cls.__init__

    @functools.wraps(original)
    def init(self, *args, **kwargs):
        if type(self) is cls:
            captured.clear()
            captured.update(inspect.signature(original).bind(self, *args, **kwargs).arguments)
            captured.update(captured.pop("kwargs", {}))
            captured.pop("self", None)
        original(self, *args, **kwargs)

    cls.__init__ = init


for each in CLASSES.values():
    capture(each)


def base(value):
    """The class or function inside functools.partial objects, and the arguments that they fix."""
    fixed = {}
    while isinstance(value, functools.partial):
        fixed = {**value.keywords, **fixed}
        value = value.func
    return value, fixed


def described(model):
    """The arguments of the constructor as JSON values; classes are replaced by their names."""
    arguments = {}
    for key, value in captured.items():
        if value is None or key in ("weight_init", "head_init_scale", "fix_init", "dynamic_img_pad", "device", "dtype", "args"):
            continue
        value, fixed = base(value)
        name = value if isinstance(value, str) else getattr(value, "__name__", None)
        if key == "norm_layer":
            arguments[key] = {"LayerNorm": "layernorm", "RmsNorm": "rmsnorm"}.get(name, name)
            if "eps" in fixed:
                arguments["norm_eps"] = fixed["eps"]
        elif key == "act_layer":
            arguments[key] = {"GELU": "gelu", "SiLU": "silu"}.get(name, name)
        elif key == "mlp_layer":
            arguments[key] = {"Mlp": "mlp", "SwiGLU": "swiglu", "GluMlp": "swiglu_packed"}.get(name, name)
        elif key == "block_fn" and name == "Block":
            continue
        else:
            arguments[key] = value if name is None or isinstance(value, str) else name
    defaults = inspect.signature(vision_transformer.VisionTransformer.__init__).parameters
    for key in ("patch_size", "embed_dim", "depth", "num_heads"):
        arguments.setdefault(key, defaults[key].default)
    arguments["img_size"] = list(model.patch_embed.img_size)
    if isinstance(model, deit.VisionTransformerDistilled):
        arguments["distilled"] = True
    if isinstance(model, eva.Eva):
        arguments.setdefault("use_abs_pos_emb", True)  # an argument of Eva only, which identifies the class
    return arguments


def redraw(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = re.search(r"(norm\w*\.weight|gamma(_\d)?)$", name)
            drawn = torch.rand if gain else torch.randn
            values = drawn(parameter.shape, generator=generator)
            parameter.copy_(values + 0.5 if gain else values * 0.05)


def parsed(spec):
    name, _, rest = spec.partition(":")
    given = {}
    for pair in re.findall(r"(\w+)=(\[[^\]]*\]|[^,]*)", rest):
        try:
            given[pair[0]] = json.loads(pair[1])
        except ValueError:
            given[pair[0]] = pair[1]
    return name, {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


def filter_of(model):
    return (eva if isinstance(model, eva.Eva) else vision_transformer).checkpoint_filter_fn


def reference(folder, index, spec):
    name, given = parsed(spec)
    file_size = given.pop("file_size", None)
    created = functools.partial(timm.create_model, name, num_classes=0)
    model = created(**given).eval()
    arguments = described(model)
    redraw(model, index)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    if file_size is not None:
        other = created(**{**given, "img_size": file_size})
        redraw(other, index)
        state = {key: value.clone() for key, value in other.state_dict().items()}
        model.load_state_dict(filter_of(model)(dict(state), model))
    # timm computes learned frequencies in float32 only.
    exact = torch.float32 if getattr(model, "rope_mixed", False) else torch.float64
    model.to(exact)
    torch.manual_seed(index)
    image = torch.randn(2, 3, *model.patch_embed.img_size)
    feature = model(image.to(exact))
    if feature.dim() == 3:
        feature = feature[:, 0]
    cotangent = torch.randn(feature.shape)
    feature.backward(cotangent.to(exact))
    path = os.path.join(folder, str(index))
    save_file(state, f"{path}.safetensors", {"format": "pt"})
    torch.save({"model": state, "epoch": 1}, f"{path}.pth")
    tensors = {f"grad.{key}": value.grad.float() for key, value in model.named_parameters() if value.grad is not None}
    tensors.update(image=image, feature=feature.detach().float(), cotangent=cotangent)
    save_file({key: value.contiguous() for key, value in tensors.items()}, f"{path}.reference.safetensors")
    with open(f"{path}.json", "w") as file:
        json.dump(arguments, file)


# Small networks of Hugging Face's model classes: class, configuration, the arguments of the same network in timm, and
# the output that is the feature.
PATCHES = dict(image_size=32, patch_size=8, hidden_size=48, num_hidden_layers=2, num_attention_heads=3)
SAME = dict(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3)
DINOV2 = dict(SAME, init_values=1e-5)
DINOV3 = dict(
    SAME, init_values=1e-5, norm_eps=1e-5, num_reg_tokens=4, qkv_fused=False, use_abs_pos_emb=False, use_rot_pos_emb=True,
    rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, use_fc_norm=False, global_pool="token",
)  # fmt: skip
HUGGING_FACE = {
    "ViTModel": ("ViT", dict(PATCHES, intermediate_size=192), dict(SAME, norm_eps=1e-12), "class"),
    "Dinov2Model": ("Dinov2", dict(PATCHES, mlp_ratio=4), DINOV2, "class"),
    "Dinov2Model:swiglu": (
        "Dinov2",
        dict(PATCHES, mlp_ratio=4, use_swiglu_ffn=True),
        dict(DINOV2, mlp_layer="swiglu_packed", act_layer="silu", mlp_ratio=2 * 128 / 48),
        "class",
    ),
    "Dinov2WithRegistersModel": (
        "Dinov2WithRegisters",
        dict(PATCHES, mlp_ratio=4, num_register_tokens=4),
        dict(DINOV2, reg_tokens=4, no_embed_class=True),
        "class",
    ),
    "DINOv3ViTModel": ("DINOv3ViT", dict(PATCHES, intermediate_size=192, num_register_tokens=4), DINOV3, "class"),
    "DINOv3ViTModel:gated": (
        "DINOv3ViT",
        dict(PATCHES, intermediate_size=96, num_register_tokens=4, use_gated_mlp=True, hidden_act="silu"),
        dict(DINOV3, swiglu_mlp=True, swiglu_align_to=8, mlp_ratio=2),
        "class",
    ),
    "CLIPVisionModel": (
        "CLIPVision",
        dict(PATCHES, intermediate_size=192),
        dict(SAME, pre_norm=True, norm_eps=1e-5, act_layer="quick_gelu"),
        "pooled",
    ),
    "SiglipVisionModel": (
        "SiglipVision",
        dict(PATCHES, intermediate_size=192),
        dict(SAME, class_token=False, global_pool="map", act_layer="gelu_tanh"),
        "pooled",
    ),
}


def hugging_face(folder, index, spec):
    """Like `reference`, for a class of Hugging Face, but without gradients, because its parameters have other names."""
    sys.modules.setdefault("sklearn", None)  # otherwise transformers imports it for text generation
    try:
        import transformers
    except ImportError as error:
        print(f"absent: {error}")
        sys.exit(77)
    kind, given, arguments, feature = HUGGING_FACE[spec]
    model = getattr(transformers, spec.split(":")[0])(getattr(transformers, f"{kind}Config")(**given)).eval()
    redraw(model, index)
    path = os.path.join(folder, str(index))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    torch.save(state, f"{path}.pth")  # with the parameter names of this release
    model.save_pretrained(path, max_shard_size="10GB")  # with the names of files on the hub
    os.replace(os.path.join(path, "model.safetensors"), f"{path}.safetensors")
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        outputs = model.double()(image.double())
    value = outputs.pooler_output if feature == "pooled" else outputs.last_hidden_state[:, 0]
    tensors = {"image": image, "feature": value.float().contiguous(), "cotangent": torch.ones(value.shape)}
    save_file(tensors, f"{path}.reference.safetensors")
    with open(f"{path}.json", "w") as file:
        json.dump(arguments, file)


if __name__ == "__main__":
    what, folder, *specs = sys.argv[1:]
    torch.set_num_threads(2)
    for index, spec in enumerate(specs):
        (hugging_face if what == "huggingface" else reference)(folder, index, spec)
    print(f"timm {timm.__version__}, torch {torch.__version__}")
